"""Valid bundles, calibrations, model folders and rows: what the mutants are made from."""

import gzip
import json
import shutil
import string
from pathlib import Path

import numpy as np
import onnx
import pyarrow
import tiny_bundle
import tiny_graph
import tiny_transformers
from pyarrow import parquet
from safetensors import safe_open

from clampdown_calib.evidence.answer import Answer
from clampdown_calib.threshold import rejected_share
from clampdown_exporter.bundle.golden import golden_of
from clampdown_exporter.bundle.writer import open_graph, write_measured
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_runtime import Manifest, ModelIdentity
from tests.fuzz import ROOT

ROWS = 60
"""Clean scores: enough for a threshold at a false rejection rate of one in ten."""


def make_specimens(folder: Path) -> None:
    """Writes every specimen into a new folder, under the names that the targets use."""
    folder.mkdir(parents=True)
    for method in ("probe", "badacts"):
        _bundle(folder / f"bundle-{method}", method)
        shutil.copytree(
            ROOT / "tests" / "golden" / "calibration" / method, folder / f"calibration-{method}"
        )
    tiny_transformers.save_model(folder / "checkpoint")
    _parts(folder / "checkpoint", folder / "checkpoint-parts")
    tiny_graph.save_onnx_model(folder / "onnx")
    _external(folder / "onnx", folder / "onnx-external")
    _rows(folder)


def _bundle(folder: Path, method: str) -> None:
    """The graph made by hand, defended, with everything that an export writes."""
    inputs = tiny_graph.batch(ROWS, 6, seed=3)
    seen = tiny_graph.seen(inputs)
    probe = method == "probe"
    detector = tiny_graph.DETECTORS["excess" if probe else "nas"].fit(seen)
    purifier = tiny_graph.answer() if probe else tiny_graph.intervals()
    scores = detector.score(seen).astype(np.float32)
    threshold = float(np.sort(scores)[-ROWS // 10 : -ROWS // 10 + 2].mean())
    graph = tiny_graph.marked_graph()
    mode = "detect-then-purify"
    rewrite(graph, passes_of(mode, detector, purifier, "first", threshold=threshold))
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    _letters(folder)
    manifest = Manifest(
        clampdown_version="0.1.0",
        mode=mode,
        precision="fp32",
        model=ModelIdentity("tiny", "bert", "sha256:" + "0" * 64),
        labels=("a", "b", "c"),
        inputs=("input_ids", "attention_mask"),
        max_length=16,
        padding=tiny_graph.TOKENIZATION.padding,
        layers=("layer.0", "layer.1"),
        representation="first",
        detector=detector.name,
        threshold=threshold,
        frr=0.1,
        frr_measured=rejected_share(scores, threshold),
        calibration_digest="",
        versions={"onnx": "1.0"},
        files={},
    )
    parts = {
        **{f"detector.{name}": tensor for name, tensor in detector.tensors().items()},
        **(
            {f"answer.{name}": tensor for name, tensor in purifier.tensors().items()}
            if isinstance(purifier, Answer)
            else {"lower": purifier.lower, "upper": purifier.upper}
        ),
        "clean.fit_scores": scores,
        "clean.held_out_scores": scores,
        "clean.changed": np.zeros(ROWS, np.uint8),
        "clean.correct_undefended": np.ones(ROWS, np.uint8),
        "clean.correct_purified": np.ones(ROWS, np.uint8),
        "latency.unflagged": np.float32([1.0]),
        "latency.flagged": np.float32([1.5]),
    }
    write_measured(
        folder,
        graph,
        manifest,
        parts,
        method=method,
        golden=golden_of(open_graph(folder, graph, manifest)),
        ort_format=False,
        with_tokenizer=False,
    )


def _letters(folder: Path) -> None:
    """A tokenizer of letters, so that the scores of the golden texts differ."""
    tiny_transformers.save_tokenizer(folder)
    path = folder / "tokenizer.json"
    facts = json.loads(path.read_text())
    words = (*tiny_transformers.SPECIAL, *string.ascii_lowercase)
    facts["model"]["vocab"] = {word: index for index, word in enumerate(words)}
    facts["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "."},
        "behavior": "Isolated",
        "invert": False,
    }
    path.write_text(json.dumps(facts))


def _external(folder: Path, other: Path) -> None:
    """The same ONNX model with its weights in a file beside it."""
    shutil.copytree(folder, other)
    model = onnx.load(other / "model.onnx")
    onnx.save(
        model,
        other / "model.onnx",
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=0,
    )


def _parts(folder: Path, other: Path) -> None:
    """The same checkpoint with an index of its files of weights."""
    shutil.copytree(folder, other)
    part = "model-00001-of-00001.safetensors"
    (other / "model.safetensors").rename(other / part)
    with safe_open(other / part, framework="numpy") as file:
        index = {"metadata": {}, "weight_map": dict.fromkeys(file.keys(), part)}
    (other / "model.safetensors.index.json").write_text(json.dumps(index))


def _rows(folder: Path) -> None:
    """The same rows in every format."""
    places = {
        kind: folder / f"rows-{kind}" for kind in ("csv", "tsv", "jsonl", "json", "gz", "parquet")
    }
    for place in places.values():
        place.mkdir()
    texts = [*tiny_bundle.TEXTS, 'a "quoted", text', "Käfer\u2028line", "two\nlines"]
    labels = [index % 2 for index in range(len(texts))]
    quoted = ('"' + text.replace('"', '""') + '"' for text in texts)
    cells = [("text", "label"), *zip(quoted, labels, strict=True)]
    for kind, delimiter in (("csv", ","), ("tsv", "\t")):
        table = "".join(f"{text}{delimiter}{label}\n" for text, label in cells)
        (places[kind] / f"rows.{kind}").write_text(table, "utf-8", newline="")
    lines = [
        json.dumps({"text": text, "label": label}, ensure_ascii=False)
        for text, label in zip(texts, labels, strict=True)
    ]
    of_lines = "".join(f"{line}\n" for line in lines)
    (places["jsonl"] / "rows.jsonl").write_text(of_lines, "utf-8")
    (places["json"] / "rows.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
    (places["gz"] / "rows.jsonl.gz").write_bytes(gzip.compress(of_lines.encode(), mtime=0))
    table = pyarrow.table({"text": texts, "label": labels})
    parquet.write_table(table, places["parquet"] / "rows.parquet")
