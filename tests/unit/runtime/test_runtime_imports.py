import os
import subprocess
import sys
from pathlib import Path

import clampdown_runtime

FOREIGN = (
    "torch",
    "transformers",
    "onnx",
    "safetensors",
    "clampdown",
    "clampdown_calib",
    "clampdown_exporter",
)


def loaded_after(code: str) -> set[str]:
    """The top-level modules of a fresh interpreter after some code."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(*{{m.split('.')[0] for m in sys.modules}})",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(clampdown_runtime.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.splitlines()[-1].split())


def test_the_import_loads_nothing_heavy():
    loaded = loaded_after("import clampdown_runtime")
    assert "tokenizers" in loaded
    assert not loaded & {*FOREIGN, "pyarrow", "onnxruntime"}


def test_classifying_loads_nothing_foreign(pristine):
    loaded = loaded_after(
        "from clampdown_runtime import *\n"
        f"bundle = {str(pristine)!r}\n"
        "classifier = DefendedClassifier.load(bundle)\n"
        "classifier(['good'])\n"
        "assert not check_golden(classifier, read_golden(classifier.bundle.golden_path))"
    )
    assert "onnxruntime" in loaded
    assert not loaded & {*FOREIGN, "pyarrow"}


def test_every_public_name_is_there():
    for name in clampdown_runtime.__all__:
        assert getattr(clampdown_runtime, name) is not None
