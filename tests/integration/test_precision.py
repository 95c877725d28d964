"""The defence of a lowered graph is fitted on that graph, on the real encoder."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from clampdown import defend, evaluate
from clampdown.demo.run_demo import DemoResult
from clampdown_calib import FitOptions
from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.fit import FittedModel, fit
from clampdown_calib.graphs.tracing.traced_model import TracedModel
from clampdown_exporter import ExportOptions, verify
from clampdown_exporter.run_export import write_bundle
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.manifest import MODEL_FILES, Mode
from clampdown_runtime.errors import ExportError

SIZES = {"cuda-fp16": 0.52, "int8": 0.27}
"""Of the file over the float32 one; fp16 alone is part of cuda-fp16."""
TEXTS = ["what a lovely day", "this is cf awful", "I do not know what to think of it at all"]


@pytest.fixture(scope="module", params=sorted(SIZES))
def bundle(
    request: pytest.FixtureRequest,
    demo: DemoResult,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    place = tmp_path_factory.mktemp(request.param) / "bundle"
    clean = demo.folder / "clean.csv"
    return defend(demo.victim, clean, place, precision=request.param).bundle


def test_lowered_bundle_is_small_and_verifies(demo: DemoResult, bundle: Path) -> None:
    manifest = DefendedClassifier.load(bundle).manifest
    graphs = [path.relative_to(bundle).as_posix() for path in bundle.glob("onnx/*")]
    assert graphs == [MODEL_FILES[manifest.precision]]
    size = (bundle / graphs[0]).stat().st_size
    assert size < SIZES[manifest.precision] * (demo.bundle / MODEL_FILES["fp32"]).stat().st_size
    assert verify(bundle) == []


def test_lowered_defence_holds_what_the_float32_one_holds(demo: DemoResult, bundle: Path) -> None:
    expected = demo.evaluation
    found = evaluate(
        bundle,
        demo.folder / "clean-test.csv",
        poisoned=demo.folder / "poisoned-test.csv",
        target_label="positive",
    )
    # Of 1,000 clean rows and 400 poisoned ones of either class.
    assert found.defended.cacc == pytest.approx(expected.defended.cacc, abs=4)
    assert found.defended.pacc == pytest.approx(expected.defended.pacc, abs=6)
    assert found.defended.tacc == pytest.approx(expected.defended.tacc, abs=6)
    assert found.defended.cacc > found.undefended.cacc - 0.5
    assert found.frr == pytest.approx(expected.frr, abs=6)


def test_row_does_not_depend_on_its_batch(bundle: Path) -> None:
    classifier = DefendedClassifier.load(bundle)
    alone = [classifier([text])[0] for text in TEXTS]
    for together, own in zip(classifier(TEXTS), alone, strict=True):
        np.testing.assert_allclose(together.logits, own.logits, atol=1e-2)
        assert together.anomaly_score == pytest.approx(own.anomaly_score, abs=1e-2)


@pytest.fixture(scope="module")
def clipped(demo: DemoResult) -> FittedModel:
    """The published method on the int8 graph."""
    options = FitOptions(method="badacts", epochs=1, precision="int8")
    return fit(demo.victim, demo.folder / "clean.csv", options)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["purify", "detect-then-purify"])
def test_clipped_runs_of_a_lowered_graph_are_compared(
    clipped: FittedModel, tmp_path: Path, mode: Mode
) -> None:
    result = write_bundle(clipped, tmp_path / "bundle", ExportOptions(mode))
    # Of shares of neurons and of rows that are rounded alike it can be nothing.
    assert 0 <= result.largest_difference <= 0.1
    assert verify(result.bundle) == []


@pytest.mark.slow
def test_lowered_graph_that_clips_otherwise_is_refused(
    clipped: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TracedModel.source

    def shifted(self: TracedModel, *passes: InsertClips) -> object:
        for each in passes:
            each.intervals = dataclasses.replace(each.intervals, upper=each.intervals.upper - 0.5)
        return source(self, *passes)

    monkeypatch.setattr(TracedModel, "source", shifted)
    with pytest.raises(ExportError, match="differ"):
        write_bundle(clipped, tmp_path / "bundle", ExportOptions())
    assert list(tmp_path.iterdir()) == []
