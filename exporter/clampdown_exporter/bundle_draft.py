"""A bundle while it is being made: first what can be run, then what was measured by running it."""

import dataclasses
import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.artefact import Calibration, write_tensors
from clampdown_calib.model_folder import ModelFolder
from clampdown_calib.tokenization import Tokenization
from clampdown_exporter.contract import graph_facts
from clampdown_exporter.golden import golden_of
from clampdown_exporter.ort_format import write_ort_format
from clampdown_exporter.passes.insert_statistic import THRESHOLD
from clampdown_exporter.report import render_report
from clampdown_exporter.with_tokenizer import write_with_tokenizer
from clampdown_runtime.bundle import Bundle
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.digests import file_digest
from clampdown_runtime.errors import ExportError
from clampdown_runtime.manifest import (
    CALIBRATION_FILE,
    GOLDEN_FILE,
    MANIFEST_NAME,
    TOKENIZER_FILE,
    Manifest,
    Mode,
    ModelIdentity,
    Precision,
)
from clampdown_runtime.session import create_session
from clampdown_runtime.tokenizer import BundleTokenizer

REPORT_FILE = "report.html"

LARGEST_GRAPH = 2**31 - 2**24
"""Bytes of weights; protobuf ends at 2 GiB, names and nodes included."""

VERSIONS = ("clampdown", "torch", "transformers", "onnx", "onnx-ir", "onnxruntime", "tokenizers")
"""Packages whose release can change what an export gives."""


def write_graph(folder: Path, graph: ir.Model, manifest: Manifest) -> None:
    """Write the graph with the manifest's threshold and facts in it.

    Raises:
        ExportError: the graph is too large for one file.
    """
    value = graph.graph.initializers[THRESHOLD]
    value.const_value = ir.tensor(np.array([manifest.threshold], np.float32), name=THRESHOLD)
    graph.producer_name, graph.producer_version = "clampdown", manifest.clampdown_version
    graph.metadata_props.update(graph_facts(manifest))
    size = sum(v.const_value.nbytes for v in graph.graph.initializers.values() if v.const_value)
    if size > LARGEST_GRAPH:
        raise ExportError(
            "The defended graph",
            found=f"{size / 2**30:.1f} GB of weights",
            expected=f"at most {LARGEST_GRAPH / 2**30:.1f} GB, what one ONNX file can hold",
            do="No bundle was written. Distil the classifier into a smaller one.",
        )
    path = folder / manifest.model_file
    path.parent.mkdir(exist_ok=True)
    ir.save(graph, path)


def draft_manifest(
    folder: ModelFolder,
    tokenization: Tokenization,
    calibration: Calibration,
    mode: Mode,
    precision: Precision,
) -> Manifest:
    """The manifest before anything was measured: threshold 0, no digests."""
    facts = calibration.facts
    return Manifest(
        clampdown_version=importlib.metadata.version("clampdown"),
        mode=mode,
        precision=precision,
        model=ModelIdentity(folder.name, folder.model_type, facts.model_digest),
        labels=folder.labels,
        inputs=tokenization.inputs,
        max_length=tokenization.max_length,
        padding=tokenization.padding,
        layers=facts.layers,
        representation=facts.representation,
        detector=calibration.detector.name,
        threshold=0.0,
        frr=facts.frr,
        frr_measured=0.0,
        calibration_digest="",
        versions=_versions(),
        files={},
    )


def open_draft(folder: Path, manifest: Manifest) -> DefendedClassifier:
    """Load the graph and tokenizer of a folder that is not a whole bundle yet."""
    return DefendedClassifier(
        Bundle(folder, manifest),
        BundleTokenizer(folder / TOKENIZER_FILE, manifest.max_length),
        create_session(folder / manifest.model_file, provider="cpu", threads=None),
    )


def copy_model_files(folder: Path, model: ModelFolder, tokenization: Tokenization) -> None:
    """The configuration and the tokenizer, so that other stacks load the bundle."""
    shutil.copyfile(model.path / "config.json", folder / "config.json")
    (folder / TOKENIZER_FILE).write_text(tokenization.tokenizer_json, "utf-8")
    (folder / "tokenizer_config.json").write_text(tokenization.tokenizer_config_json, "utf-8")


def write_measured(
    folder: Path,
    graph: ir.Model,
    manifest: Manifest,
    tensors: dict[str, NDArray[np.generic]],
    method: str,
    *,
    ort_format: bool,
    with_tokenizer: bool,
) -> Manifest:
    """Write everything that depends on the threshold, the manifest last.

    Args:
        folder: where the model's files are already.
        graph: the defended graph.
        manifest: with the threshold and the rates; its digests are made here.
        tensors: those of ``calibration.safetensors``, see docs/calibration.md.
        method: ``probe`` or ``badacts``.
        ort_format: whether the graph is written in ONNX Runtime's format, too.
        with_tokenizer: whether it is written with the tokenizer in front, too.

    Returns:
        The manifest that was written.

    Raises:
        ExportError: the graph is too large, ONNX Runtime cannot convert it, or the tokenizer
            cannot be written as a graph.
    """
    write_tensors(folder / CALIBRATION_FILE, tensors, {"method": method})
    manifest = dataclasses.replace(
        manifest, calibration_digest=file_digest(folder / CALIBRATION_FILE)
    )
    write_graph(folder, graph, manifest)
    if ort_format:
        write_ort_format(folder / manifest.model_file)
    golden = golden_of(open_draft(folder, manifest))
    (folder / GOLDEN_FILE).write_text(golden.to_json(), "utf-8")
    if with_tokenizer:
        write_with_tokenizer(folder, manifest, golden)
    manifest = dataclasses.replace(manifest, files=_digests(folder))
    report = render_report(manifest, tensors, method=method)
    (folder / REPORT_FILE).write_text(report, "utf-8")
    manifest = dataclasses.replace(manifest, files=_digests(folder))
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), "utf-8")
    return manifest


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in files
        if path.name != MANIFEST_NAME
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in (*VERSIONS, "onnxruntime-gpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
