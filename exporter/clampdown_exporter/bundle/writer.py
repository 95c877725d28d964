"""Writes the files of a bundle, and runs its graph before it is whole."""

import dataclasses
import importlib.metadata
import json
import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.fit import FittedModel
from clampdown_calib.graphs.large_graphs import open_session, save_graph
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_calib.tensor_file import tensor_bytes
from clampdown_calib.threshold import rejected_share
from clampdown_exporter.bundle.graph_facts import graph_facts
from clampdown_exporter.bundle.ort_format import write_ort_format
from clampdown_exporter.card.ml_bom import BOM_FILE, bill_of_materials
from clampdown_exporter.card.render_card import CARD_FILE, render_card
from clampdown_exporter.passes.insert_statistic import THRESHOLD
from clampdown_exporter.report import render_report
from clampdown_exporter.text_input.with_tokenizer import write_with_tokenizer
from clampdown_runtime.bundle.differences import entries
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.golden import Golden
from clampdown_runtime.bundle.manifest import (
    CALIBRATION_FILE,
    GOLDEN_FILE,
    MANIFEST_NAME,
    TOKENIZER_FILE,
    Manifest,
    Mode,
    ModelIdentity,
)
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.sessions.defended_graph import DefendedGraph
from clampdown_runtime.sessions.session import require_signature
from clampdown_runtime.tokenizer import BundleTokenizer

REPORT_FILE = "report.html"

VERSIONS = ("clampdown", "torch", "transformers", "onnx", "onnx-ir", "onnxruntime", "tokenizers")
"""Packages whose release can change what an export gives."""


def set_threshold(graph: ir.Model, threshold: float) -> None:
    """Put another threshold into a defended graph."""
    value = graph.graph.initializers[THRESHOLD]
    value.const_value = ir.tensor(np.array([threshold], np.float32), name=THRESHOLD)


def write_graph(folder: Path, graph: ir.Model, manifest: Manifest) -> None:
    """Write the graph with the manifest's facts in it, see :func:`save_graph`."""
    graph.producer_name, graph.producer_version = "clampdown", manifest.clampdown_version
    graph.metadata_props.update(graph_facts(manifest))
    path = folder / manifest.model_file
    path.parent.mkdir(exist_ok=True)
    save_graph(graph, path)


def manifest_of(fitted: FittedModel, mode: Mode) -> Manifest:
    """The manifest before anything is written, without digests."""
    folder, tokenization, facts = fitted.folder, fitted.tokenization, fitted.calibration.facts
    reading, threshold = fitted.calibration.reading(mode), fitted.calibration.threshold(mode)
    return Manifest(
        clampdown_version=importlib.metadata.version("clampdown"),
        mode=mode,
        precision=facts.precision,
        model=ModelIdentity(folder.name, folder.model_type, facts.model_digest),
        labels=folder.labels,
        problem_type=folder.problem_type,
        inputs=tokenization.inputs,
        max_length=tokenization.max_length,
        truncation_side=tokenization.truncation_side,
        text_pair=tokenization.text_pair,
        padding=tokenization.padding,
        layers=facts.layers,
        representation=facts.representation,
        detector=reading.detector.name,
        threshold=threshold,
        frr=facts.frr,
        frr_measured=rejected_share(reading.held_out_scores, threshold),
        calibration_digest="",
        versions=_versions(),
        files={},
    )


def open_graph(folder: Path, graph: ir.Model, manifest: Manifest) -> DefendedClassifier:
    """Load a bundle that is not written yet.

    Args:
        folder: where the tokenizer is already.
        graph: the defended graph, with its threshold.
        manifest: of the bundle.

    Raises:
        BundleError: its inputs and outputs are not those of a defended graph.
    """
    session = open_session(graph, name="the defended graph")
    require_signature(session, manifest, folder / manifest.model_file)
    bundle = Bundle(folder, manifest, digest="")
    tokenizer = BundleTokenizer(
        folder / TOKENIZER_FILE,
        manifest.max_length,
        truncation_side=manifest.truncation_side,
        text_pair=manifest.text_pair,
    )
    return DefendedClassifier(bundle, tokenizer, DefendedGraph(bundle, session))


def copy_model_files(
    folder: Path, model: ModelFolder, tokenization: Tokenization, *, weights_beside: bool
) -> None:
    """The configuration and the tokenizer, so that other stacks load the bundle.

    Args:
        folder: of the bundle.
        model: that was defended.
        tokenization: of its texts.
        weights_beside: whether the weights lie beside the graph, which Transformers.js has to know.
    """
    config = dict(model.config)
    if weights_beside:
        own = config.get("transformers.js_config")
        config["transformers.js_config"] = {
            **(own if isinstance(own, dict) else {}),
            "use_external_data_format": True,
        }
    # The file of an adapter's base says another head than the merged model's.
    if weights_beside or model.adapter is not None:
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    else:
        shutil.copyfile(model.config_path / "config.json", folder / "config.json")
    (folder / TOKENIZER_FILE).write_text(tokenization.tokenizer_json, "utf-8")
    (folder / "tokenizer_config.json").write_text(tokenization.tokenizer_config_json, "utf-8")


def write_measured(
    folder: Path,
    graph: ir.Model,
    manifest: Manifest,
    tensors: dict[str, NDArray[np.generic]],
    *,
    method: str,
    golden: Golden,
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
        golden: rows that the graph gave.
        ort_format: whether the graph is written in ONNX Runtime's format, too.
        with_tokenizer: whether it is written with the tokenizer in front, too.

    Returns:
        The manifest that was written.

    Raises:
        ExportError: ONNX Runtime cannot convert it, or the tokenizer
            cannot be written as a graph.
    """
    (folder / CALIBRATION_FILE).write_bytes(tensor_bytes(tensors, {"method": method}))
    manifest = dataclasses.replace(
        manifest, calibration_digest=file_digest(folder / CALIBRATION_FILE)
    )
    write_graph(folder, graph, manifest)
    if ort_format:
        write_ort_format(folder / manifest.model_file)
    (folder / GOLDEN_FILE).write_text(golden.to_json(), "utf-8")
    if with_tokenizer:
        write_with_tokenizer(folder, manifest, golden)
    manifest = dataclasses.replace(manifest, files=_digests(folder))
    report = render_report(manifest, tensors, method=method)
    (folder / REPORT_FILE).write_text(report, "utf-8")
    (folder / CARD_FILE).write_text(render_card(manifest, tensors), "utf-8")
    manifest = dataclasses.replace(manifest, files=_digests(folder))
    (folder / BOM_FILE).write_text(bill_of_materials(manifest, tensors), "utf-8")
    manifest = dataclasses.replace(manifest, files=_digests(folder))
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), "utf-8")
    return manifest


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(entries(folder))
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
