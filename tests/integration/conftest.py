"""The real encoder with a real backdoor, made once in a run and used by every test here."""

import shutil
from pathlib import Path

import pytest

from clampdown.run_demo import DemoResult, run_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The demo's folder with victim, rows and bundle, and what the run measured."""
    return run_demo(tmp_path_factory.mktemp("demo") / "out", seed=0)


@pytest.fixture(scope="session")
def calibration(demo: DemoResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The calibration folder of the demo's bundle."""
    from clampdown_calib import calibrate

    out = tmp_path_factory.mktemp("calibration") / "out"
    calibrate(demo.victim, demo.folder / "clean.csv", out)
    return out


@pytest.fixture(scope="session")
def published(demo: DemoResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration folder of the demo's victim by the published method, which clips."""
    from clampdown_calib import calibrate

    out = tmp_path_factory.mktemp("published") / "out"
    calibrate(demo.victim, demo.folder / "clean.csv", out, method="badacts", epochs=1)
    return out


@pytest.fixture
def bundle_copy(demo: DemoResult, tmp_path: Path) -> Path:
    """A bundle that a test may change."""
    return Path(shutil.copytree(demo.bundle, tmp_path / "bundle"))
