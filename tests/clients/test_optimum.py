"""Optimum loads a bundle unchanged and answers with the defended logits.

Optimum needs older transformers than Clampdown, hence an environment of its own.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from clampdown_exporter.golden_texts import GOLDEN_TEXTS
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.golden import read_golden

PYTHON = "CLAMPDOWN_OPTIMUM_PYTHON"
SCRIPT = Path(__file__).with_name("optimum_predictions.py")


@pytest.mark.optimum
def test_optimum_gives_the_defended_logits(real_bundle: Path, tmp_path: Path) -> None:
    python = os.environ.get(PYTHON)
    if python is None:
        pytest.skip(f"set {PYTHON} to the Python of an environment with optimum-onnx")
    classifier = DefendedClassifier.load(real_bundle)
    golden = read_golden(real_bundle / "golden.json")
    texts = [row.text for row in golden.rows if row.text in GOLDEN_TEXTS]
    expected = np.array([p.logits for p in classifier(texts)])
    given = {
        "bundle": str(real_bundle),
        "file_name": Path(classifier.manifest.model_file).name,
        "texts": texts,
    }
    out = tmp_path / "found.json"
    subprocess.run([python, str(SCRIPT), str(out)], input=json.dumps(given), text=True, check=True)
    found = json.loads(out.read_text())
    for binding in ("on", "off"):
        answers = found[binding]
        assert answers["file"] == given["file_name"]
        for name in ("alone", "batch"):
            np.testing.assert_allclose(answers[name], expected, atol=1e-3)
        finite = np.isfinite(expected).all(axis=1)
        labels = [p.label for p in classifier(texts)]
        for index in np.flatnonzero(finite):
            assert answers["labels"][index] == labels[index]
    # Something is flagged, else the undefended logits would pass.
    assert any(row.flagged for row in golden.rows)
