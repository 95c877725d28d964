"""The configuration of a model for NVIDIA's Triton Inference Server."""

import json
from typing import Literal

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import ROWS_ALONE
from clampdown_runtime.sessions.session import UNDEFENDED_LOGITS

Device = Literal["cpu", "gpu"]
"""Where Triton runs its instances."""


def triton_config(
    bundle: Bundle,
    name: str,
    classes: int,
    *,
    own_logits: bool,
    device: Device,
    instances: int,
    batch: int,
    op_library: str | None,
) -> str:
    """The text of ``config.pbtxt``, for texts where there is a library of operators.

    Inputs and outputs are all given, so that Triton completes nothing: of a configuration without
    them it would take ``max_batch_size: 0`` for one that was forgotten, and put int8 rows together.
    """
    manifest = bundle.manifest
    # Where there is no batching the shapes are those of the graph, or narrower.
    rows = [] if batch else [1 if manifest.precision in ROWS_ALONE else -1]
    # Of one value for each row nothing is left beside the batch, which Triton writes so.
    alone = ([1], "reshape { shape: [] }") if batch else ([-1], "")
    if op_library is None:
        inputs = [_tensor(one, "TYPE_INT64", [*rows, -1]) for one in manifest.inputs]
    else:
        inputs = [_tensor("text", "TYPE_STRING", rows or [1], alone[1])]
    if not batch:
        inputs.append(_tensor("threshold", "TYPE_FP32", [1], "optional: true"))
    outputs = [
        _tensor(
            "logits", "TYPE_FP32", [classes] if batch else [-1, classes],
            f"label_filename: {_quoted('labels.txt')}",
        ),
        _tensor("anomaly_score", "TYPE_FP32", *alone),
        _tensor("flagged", "TYPE_BOOL", *alone),
    ]  # fmt: skip
    if own_logits:
        outputs.append(
            _tensor(UNDEFENDED_LOGITS, "TYPE_FP32", [classes] if batch else [-1, classes])
        )
    digest = (
        f"key: {_quoted('clampdown.digest')} value {{ string_value: {_quoted(bundle.digest)} }}"
    )
    return "\n".join(
        (
            f"name: {_quoted(name)}",
            f"platform: {_quoted('onnxruntime_onnx')}",
            f"max_batch_size: {batch}",
            *(f"input {one}" for one in inputs),
            *(f"output {one}" for one in outputs),
            f"instance_group {{ kind: KIND_{device.upper()} count: {instances} }}",
            *(["dynamic_batching {}"] if batch else []),
            *([] if op_library is None else [_library(op_library)]),
            f"parameters {{ {digest} }}",
            "",
        )
    )


def _library(path: str) -> str:
    return f"model_operations {{ op_library_filename: {_quoted(path)} }}"


def _tensor(name: str, kind: str, dims: list[int], more: str = "") -> str:
    shape = ", ".join(map(str, dims))
    return f"{{ name: {_quoted(name)} data_type: {kind} dims: [{shape}] {more}".rstrip() + " }"


def _quoted(text: str) -> str:
    return json.dumps(text)
