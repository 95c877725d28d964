"""What Optimum and a pipeline on it answer: run in Optimum's own environment, never imported.

Reads ``{"bundle": …, "file_name": …, "texts": […]}`` from standard input and writes what
``test_optimum.py`` compares to the file that is the only argument.
"""

import json
import sys
from pathlib import Path

from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import AutoTokenizer, pipeline


def main() -> None:
    given = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(given["bundle"])
    found = {}
    for binding in (True, False):
        model = ORTModelForSequenceClassification.from_pretrained(
            given["bundle"], file_name=given["file_name"], use_io_binding=binding
        )
        assert model.use_io_binding is binding
        classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
        found["on" if binding else "off"] = {
            "file": Path(model.path).name,
            "alone": [_logits(model, tokenizer, [text])[0] for text in given["texts"]],
            "batch": _logits(model, tokenizer, given["texts"]),
            "labels": [answer["label"] for answer in classify(given["texts"], truncation=True)],
            "scores": [answer["score"] for answer in classify(given["texts"], truncation=True)],
        }
    Path(sys.argv[1]).write_text(json.dumps(found))


def _logits(model, tokenizer, texts: list[str]) -> list[list[float]]:
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return model(**inputs).logits.tolist()


main()
