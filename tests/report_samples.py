"""A report of made-up measurements, and what a reader sees of it."""

import dataclasses
import html
import re
from html.parser import HTMLParser

import numpy as np

from clampdown_exporter.report import render_report
from clampdown_runtime import Manifest, ModelIdentity, Padding

ROWS = 200
MODES = ("detect-then-purify", "purify", "detect")
METHODS = ("probe", "badacts")
FILES = (
    "onnx/model.onnx",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "calibration.safetensors",
    "golden.json",
)
DIGESTS = {path: f"sha256:{number:064x}" for number, path in enumerate(FILES, start=10)}
MODEL_DIGEST = f"sha256:{7:064x}"


def manifest(count=6, **changes):
    return dataclasses.replace(
        Manifest(
            clampdown_version="0.1.0",
            mode="detect-then-purify",
            precision="fp32",
            model=ModelIdentity("tweets", "bert", MODEL_DIGEST),
            labels=("negative", "positive"),
            inputs=("input_ids", "attention_mask"),
            max_length=256,
            padding=Padding("right", 0, 0),
            layers=tuple(f"bert.encoder.layer.{i}" for i in range(count)),
            representation="first",
            detector="excess",
            threshold=180.0,
            frr=0.1,
            frr_measured=0.095,
            calibration_digest=DIGESTS["calibration.safetensors"],
            versions={"torch": "2.13.0", "onnxruntime": "1.32.0"},
            files=DIGESTS,
        ),
        **changes,
    )


def tensors(layers=6, *, labels=True, **changes):
    """Scores 0 to 199, so that 19 of them lie over the threshold of 180."""
    random = np.random.default_rng(0)
    right = np.arange(ROWS) % 10 != 0
    measured = {
        "lower": np.zeros((layers, 32), np.float32),
        "upper": random.uniform(0.5, 3, (layers, 32)).astype(np.float32),
        "clean.fit_scores": np.arange(ROWS, dtype=np.float32),
        "clean.held_out_scores": np.arange(ROWS, dtype=np.float32),
        "clean.changed": (np.arange(ROWS) % 10 == 5).astype(np.uint8),
        "latency.unflagged": np.array([0.994], np.float32),
        "latency.flagged": np.array([1.837], np.float32),
    }
    if labels:
        measured["clean.correct_undefended"] = right.astype(np.uint8)
        measured["clean.correct_purified"] = (right & (np.arange(ROWS) % 10 != 5)).astype(np.uint8)
    return measured | changes


def report(*, count=6, rows_labelled=True, method="badacts", given=None, **changes):
    given = given if given is not None else tensors(count, labels=rows_labelled)
    if method == "probe":
        given = {name: tensor for name, tensor in given.items() if name not in ("lower", "upper")}
    return render_report(manifest(count, **changes), given, method=method)


def words(page):
    """What a reader sees, on one line."""
    body = re.sub(r"<(style|title|desc)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


class Balance(HTMLParser):
    """Fails on a tag that is never closed or closed out of turn."""

    SHAPES = ("line", "rect", "path")

    def __init__(self):
        super().__init__()
        self.open = []
        self.ids = []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.SHAPES

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
