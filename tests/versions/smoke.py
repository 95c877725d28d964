"""Defends, runs and verifies an encoder and a decoder with whatever is installed.

`make test-versions` runs it in environments with the lowest and the newest packages.
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tiny_transformers
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from clampdown import defend
from clampdown_exporter import verify
from clampdown_runtime import DefendedClassifier

PACKAGES = ("torch", "transformers", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "numpy")
DECODER = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24}


def main() -> None:
    print(f"Python {sys.version.split()[0]}", *(f"{name} {version(name)}" for name in PACKAGES))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(100)]
        (place / "clean.jsonl").write_text("\n".join(rows))
        tiny_transformers.save_model(place / "bert")
        tiny_transformers.save_model(place / "gpt2", "gpt2", **DECODER)
        for model in ("bert", "gpt2"):
            for precision in ("fp32", "int8"):
                out = place / f"{model}-{precision}"
                defend(place / model, place / "clean.jsonl", out, precision=precision)
                assert verify(out) == []
                found = DefendedClassifier.load(out)(tiny_transformers.texts(5), threshold=np.inf)
                logits = np.array([prediction.logits for prediction in found])
                own = undefended(place / model)
                # Random weights of 16 neurons suffer from 7 bits more than a trained model's.
                atol = 1e-4 if precision == "fp32" else np.ptp(own) / 2
                np.testing.assert_allclose(logits, own, atol=atol)
                print(f"{model} in {precision}: right")


def undefended(folder: Path) -> np.ndarray:
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in tiny_transformers.texts(5):
        with torch.no_grad():
            rows.append(model(**tokenizer(text, return_tensors="pt")).logits[0].numpy())
    return np.stack(rows)


if __name__ == "__main__":
    main()
