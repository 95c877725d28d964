"""How tests are dealt to processes, and a tiny bundle for every test that needs no real model."""

import shutil
import sys
from pathlib import Path

import pytest
import tiny_bundle
from xdist.scheduler import LoadFileScheduling

from clampdown_runtime import DefendedClassifier

INTEGRATION = "tests/integration/"


class _ByFile(LoadFileScheduling):
    """Keeps a file's tests in one process, and those of the demo, which takes minutes to make."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return INTEGRATION if file.startswith(INTEGRATION) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """What ``--dist loadfile`` is, here."""
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Path:
    return tiny_bundle.make_bundle(tmp_path_factory.mktemp("pristine") / "bundle")


@pytest.fixture(scope="session")
def pristine_of_pairs(tmp_path_factory) -> Path:
    return tiny_bundle.make_bundle(tmp_path_factory.mktemp("pairs") / "bundle", text_pair=True)


@pytest.fixture(scope="session")
def many_labels(tmp_path_factory) -> Path:
    """A bundle both of whose labels are questions: texts have none, one or both."""
    folder = tmp_path_factory.mktemp("labels") / "bundle"
    return tiny_bundle.make_bundle(folder, multi_label=True)


@pytest.fixture(scope="session")
def answering(tmp_path_factory) -> Path:
    """A bundle whose flagged rows get another answer than the model's own."""
    folder = tmp_path_factory.mktemp("answering") / "bundle"
    return tiny_bundle.make_bundle(folder, model=tiny_bundle.answering_itself())


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
