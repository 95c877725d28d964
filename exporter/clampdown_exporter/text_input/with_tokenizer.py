"""The defended graph with the tokenizer in front: text in, label out."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import compose

from clampdown_exporter.bundle.golden_texts import GOLDEN_TEXTS, HARD_TEXTS
from clampdown_exporter.bundle.graph_facts import graph_facts
from clampdown_exporter.text_input.token_graph import OPSETS, TEXT, token_graph
from clampdown_runtime.bundle.golden import Golden
from clampdown_runtime.bundle.manifest import TOKENIZER_FILE, Manifest, text_model_name
from clampdown_runtime.errors import ExportError
from clampdown_runtime.sessions.session import OUTPUTS
from clampdown_runtime.tokenizer import BundleTokenizer, pad_batch


def write_with_tokenizer(folder: Path, manifest: Manifest, golden: Golden) -> None:
    """Write the graph with the tokenizer beside the one without, over what is there.

    Its inputs are ``text``, string ``[batch]``, and ``threshold``; its outputs are the same. It
    needs the operators of onnxruntime-extensions.

    Args:
        folder: with the manifest's graph and the tokenizer.
        manifest: of both.
        golden: what it must answer.

    Raises:
        ExportError: onnxruntime-extensions is missing, the tokenizer is not a WordPiece one, it
            reads pairs, or the graph gives other token ids or other outputs.
    """
    if manifest.truncation_side != "right":
        raise ExportError(
            "The tokenizer",
            found="a text whose beginning is cut off where it is too long",
            expected="one whose end is",
            hint="No bundle was written. Leave --with-tokenizer out.",
        )
    if manifest.text_pair:
        raise ExportError(
            "The tokenizer",
            found="pairs of texts, of which the longer one is cut off first",
            expected="single texts: the graph that is written from a tokenizer has one input",
            hint="No bundle was written. Leave --with-tokenizer out.",
        )
    library = extensions_library()
    path = folder / manifest.model_file
    tokens = token_graph((folder / TOKENIZER_FILE).read_text("utf-8"), manifest)
    _require_same_ids(_session(ir.to_proto(tokens).SerializeToString(), library), folder, manifest)
    graph = onnx.load(path)
    if graph.opset_import[0].version < OPSETS[""]:
        raise ExportError(
            "The graph",
            found=f"operator set {graph.opset_import[0].version}",
            expected=f"{OPSETS['']}, which has the operators for strings",
            hint=f"No bundle was written. Export the model to ONNX with operator set {OPSETS['']}.",
        )
    del graph.metadata_props[:]
    merged = compose.merge_models(
        ir.to_proto(tokens), graph, [(name, name) for name in manifest.inputs]
    )
    merged.producer_name, merged.producer_version = "clampdown", manifest.clampdown_version
    onnx.helper.set_model_props(merged, graph_facts(manifest))
    target = path.with_name(text_model_name(path.name))
    onnx.save(merged, target)
    _require_same_outputs(_session(target, library), golden)


def extensions_library() -> str:
    """Where the library of onnxruntime-extensions lies.

    Raises:
        ExportError: it is not installed.
    """
    try:
        from onnxruntime_extensions import get_library_path  # noqa: PLC0415 - may be missing
    except ImportError as error:
        raise ExportError(
            "--with-tokenizer",
            found="no onnxruntime-extensions",
            expected="the extra `tokenizer`",
            hint="Run pip install 'clampdown[tokenizer]'.",
        ) from error
    library: str = get_library_path()
    return library


def _session(model: Path | bytes, library: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.register_custom_ops_library(library)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _require_same_ids(
    session: onnxruntime.InferenceSession, folder: Path, manifest: Manifest
) -> None:
    """Each text alone, so that the message names it, then all in one padded batch."""
    tokenizer = BundleTokenizer(folder / TOKENIZER_FILE, manifest.max_length)
    texts = [*GOLDEN_TEXTS, *HARD_TEXTS]
    for part in (*([text] for text in texts), texts):
        encoded = [one.ids for one in tokenizer.encode(part)]
        expected = pad_batch(encoded, manifest.padding, manifest.inputs)
        found = session.run(list(manifest.inputs), {TEXT: np.array(part, object)})
        for name, values in zip(manifest.inputs, found, strict=True):
            if not np.array_equal(values, expected[name]):
                raise ExportError(
                    f"The tokenizer in the graph, on {part[0][:40]!r}",
                    found=f"{name} {values[0].tolist()[:20]}",
                    expected=f"{expected[name][0].tolist()[:20]}, as of tokenizer.json",
                    hint="No bundle was written. Export it without --with-tokenizer.",
                )


def _require_same_outputs(session: onnxruntime.InferenceSession, golden: Golden) -> None:
    for row in golden.rows:
        logits, score, flagged = session.run(OUTPUTS, {TEXT: np.array([row.text], object)})
        found = np.array([*logits[0], score[0], flagged[0]], np.float64)
        expected = np.array([*row.logits, row.anomaly_score, row.flagged], np.float64)
        if not np.allclose(found, expected, rtol=0, atol=golden.tolerance, equal_nan=True):
            raise ExportError(
                f"The graph with the tokenizer, on {row.text[:40]!r}",
                found=f"logits, score and flag {found.tolist()}",
                expected=f"{expected.tolist()}, as of the graph without it",
                hint="No bundle was written. Export it without --with-tokenizer.",
            )
