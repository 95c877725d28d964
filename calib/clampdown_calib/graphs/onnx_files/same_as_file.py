"""Holds the graph that was read against its file, run by ONNX Runtime as it is."""

from pathlib import Path

import numpy as np

from clampdown_calib.difference import largest_difference
from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_calib.graphs.onnx_files.refusal import refusal
from clampdown_calib.graphs.onnx_files.stored_precision import Stored
from clampdown_calib.models.tokenizer.sample_rows import SampleRows
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime.bundle.manifest import InputName
from clampdown_runtime.errors import BundleError
from clampdown_runtime.sessions.session import create_session
from clampdown_runtime.tokenizer import pad_batch

TOLERANCES: dict[Stored, float] = {"fp32": 1e-3, "fp16": 3e-2, "int8": 1e-1}
"""Of a logit, relative to the larger of it and 1. Only converting an old operator set can change
which kernels are fused, and so how something is rounded."""

TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


def require_same_as_file(
    read: OnnxClassifier,
    path: Path,
    inputs: tuple[InputName, ...],
    output: str,
    *,
    stored: Stored,
    tokenization: Tokenization,
) -> None:
    """Compare the logits of a short row and a long one.

    Args:
        read: the graph as it will be defended: its operator set converted, inputs and logits as
            :func:`use_interface` makes them.
        path: of the file.
        inputs: of both.
        output: the file's name of the logits.
        stored: in which precision the file is.
        tokenization: which makes the rows.

    Raises:
        ModelError: they differ, or a graph does not run.
    """
    try:
        session = create_session(path, provider="cpu")
    except BundleError as error:
        hint = "Export the model again."
        raise refusal(path, error.found, "a file that ONNX Runtime runs", hint) from error
    types = {value.name: TYPES[value.type] for value in session.get_inputs()}
    rows = SampleRows.of(tokenization)
    for ids, type_ids in ((rows.short, rows.short_types), (rows.long, rows.long_types)):
        types_of_rows = None if type_ids is None else [type_ids]
        given = pad_batch([ids], tokenization.padding, inputs, types_of_rows)
        found = read.activations(given).logits
        own = {name: array.astype(types[name], copy=False) for name, array in given.items()}
        try:
            [expected] = session.run([output], own)
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            found_there = f"a failed run of one row with {len(ids)} tokens ({error})"
            hint = "Export the model again."
            raise refusal(path, found_there, "logits", hint) from error
        largest = largest_difference(found, expected)
        if not largest <= TOLERANCES[stored]:
            raise refusal(
                path,
                f"a graph that gives logits that differ by {largest:.2g} once it is converted",
                "those of the file itself",
                "Export the model again with operator set 18 to 20.",
            )
