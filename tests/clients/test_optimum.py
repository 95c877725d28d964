"""Optimum loads a bundle unchanged and answers with the defended logits."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from clampdown_runtime import DefendedClassifier, read_golden
from clampdown_runtime.bundle.manifest import ROWS_ALONE

pytestmark = pytest.mark.optimum

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("optimum_predictions.py")
FILES = {"fp32": "model.onnx", "int8": "model_quantized.onnx"}


@pytest.fixture(scope="session")
def optimum_python() -> Path:
    """The interpreter of an environment with Optimum, which needs an older transformers."""
    own = ROOT / ".venv-optimum" / "bin" / "python"
    python = Path(os.environ.get("CLAMPDOWN_OPTIMUM_PYTHON", own))
    if not python.is_file():
        pytest.skip(f"Optimum's environment is absent: no {python} (make .venv-optimum/installed)")
    return python


@pytest.fixture(scope="session")
def answers(
    optimum_python: Path, real_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, list]]:
    """With IO binding ``on`` and ``off``, on the golden texts."""
    return _answers(optimum_python, real_bundle, tmp_path_factory.mktemp("optimum"))


def test_weights_beside_the_graph_are_found(
    answers, optimum_python: Path, large_bundle: Path, tmp_path: Path
) -> None:
    found = _answers(optimum_python, large_bundle, tmp_path)["off"]
    for name in ("alone", "scores"):
        np.testing.assert_allclose(_floats(found[name]), _floats(answers["off"][name]), rtol=1e-6)


@pytest.mark.parametrize("binding", ["on", "off"])
def test_logits_are_the_defended_ones(
    answers, binding: str, real_bundle: Path, tolerance: float
) -> None:
    classifier = DefendedClassifier.load(real_bundle, threads=1)
    precision = classifier.manifest.precision
    golden = read_golden(real_bundle / "golden.json").rows
    expected = np.array([row.logits for row in golden])
    found = answers[binding]
    assert found["file"] == FILES[precision]
    np.testing.assert_allclose(_floats(found["alone"]), expected, atol=tolerance)
    if precision not in ROWS_ALONE:
        np.testing.assert_allclose(_floats(found["batch"]), expected, atol=tolerance)
    # The texts tell the defended logits from the model's own.
    undefended = classifier.run_ids([row.input_ids for row in golden], threshold=float("inf"))
    assert np.nanmax(np.abs(undefended.logits - expected)) > 10 * tolerance


@pytest.mark.parametrize("binding", ["on", "off"])
def test_pipeline_gives_the_defended_prediction(
    answers, binding: str, real_bundle: Path, tolerance: float
) -> None:
    classifier = DefendedClassifier.load(real_bundle, threads=1)
    expected = classifier([row.text for row in read_golden(real_bundle / "golden.json").rows])
    found = answers[binding]
    scores = _floats(found["scores"])
    np.testing.assert_allclose(scores, [p.probability for p in expected], atol=tolerance)
    finite = [i for i, score in enumerate(scores) if np.isfinite(score)]
    assert [found["labels"][i] for i in finite] == [expected[i].label for i in finite]


def _answers(python: Path, bundle: Path, place: Path) -> dict[str, dict[str, list]]:
    # A file, since standard output may hold what ONNX Runtime has to say.
    out = place / "answers.json"
    texts = [row.text for row in read_golden(bundle / "golden.json").rows]
    done = subprocess.run(
        [python, SCRIPT, out],
        check=False,
        input=json.dumps({"bundle": str(bundle), "file_name": None, "texts": texts}),
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def _floats(values: list) -> np.ndarray:
    return np.array(values, np.float64)
