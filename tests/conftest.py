"""A tiny bundle, made once, for every test that needs one and no real model."""

import shutil
import sys
from pathlib import Path

import pytest
import tiny_bundle

from clampdown_runtime import DefendedClassifier


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and those of the demo, which takes minutes to make."""
    for item in items:
        of_demo = "demo" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("demo" if of_demo else str(item.path)))


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    return tiny_bundle.make_bundle(tmp_path_factory.mktemp("pristine") / "bundle")


@pytest.fixture
def bundle_path(pristine, tmp_path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(pristine, tmp_path / "bundle")


@pytest.fixture
def seal():
    return tiny_bundle.seal


@pytest.fixture(scope="session")
def classifier(pristine) -> DefendedClassifier:
    return DefendedClassifier.load(pristine)


@pytest.fixture
def texts() -> list[str]:
    return list(tiny_bundle.TEXTS)


@pytest.fixture(scope="module")
def one_thread():
    """Threads that wait for each other cost a tiny model more than its work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def without_safetensors(monkeypatch) -> None:
    """As where the extra `export` is not installed."""
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    monkeypatch.delitem(sys.modules, "clampdown_calib.tensor_file", raising=False)
