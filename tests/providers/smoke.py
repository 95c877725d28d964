"""Lets an execution provider prove itself: golden rows, and rows that have to be flagged.

`make test-providers` runs it where a build of ONNX Runtime with that provider is installed.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import onnxruntime
import tiny_transformers

from clampdown import defend
from clampdown_exporter import verify
from clampdown_runtime import DefendedClassifier


def main() -> None:
    provider = sys.argv[1]
    print(f"onnxruntime {onnxruntime.__version__} with {onnxruntime.get_available_providers()}")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(100)]
        (place / "clean.jsonl").write_text("\n".join(rows))
        tiny_transformers.save_model(place / "bert")
        for precision in ("fp32", "fp16"):
            bundle = place / precision
            defend(place / "bert", place / "clean.jsonl", bundle, precision=precision)
            assert verify(bundle, provider=provider) == []
            texts = tiny_transformers.texts(20)
            there, here = (
                DefendedClassifier.load(bundle, provider=kind)(texts) for kind in (provider, "cpu")
            )
            assert [p.flagged for p in there] == [p.flagged for p in here]
            print(f"{precision} on {provider}: right")


if __name__ == "__main__":
    main()
