"""The real encoder with a real backdoor, made once in a run and used by every test here."""

import shutil
from pathlib import Path

import pytest

from clampdown.demo.run_demo import DemoResult, run_demo
from clampdown_calib import FitOptions
from clampdown_calib.artefact import save_calibration
from clampdown_calib.fit import FittedModel, fit


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The demo's folder with victim, rows and bundle, and what the run measured."""
    return run_demo(tmp_path_factory.mktemp("demo") / "out", seed=0)


@pytest.fixture(scope="session")
def fitted(demo: DemoResult) -> FittedModel:
    """What the demo's bundle was made from."""
    return fit(demo.victim, demo.folder / "clean.csv", FitOptions())


@pytest.fixture(scope="session")
def calibration(fitted: FittedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a folder."""
    out = tmp_path_factory.mktemp("calibration") / "out"
    save_calibration(fitted.calibration, out)
    return out


@pytest.fixture(scope="session")
def published(demo: DemoResult) -> FittedModel:
    """The demo's victim by the published method, which clips."""
    options = FitOptions(method="badacts", epochs=1)
    return fit(demo.victim, demo.folder / "clean.csv", options)


@pytest.fixture
def bundle_copy(demo: DemoResult, tmp_path: Path) -> Path:
    """A bundle that a test may change."""
    return Path(shutil.copytree(demo.bundle, tmp_path / "bundle"))
