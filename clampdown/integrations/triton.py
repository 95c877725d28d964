"""Writes a model repository for NVIDIA's Triton Inference Server, with its ONNX Runtime backend."""

import json
import re
from pathlib import Path
from typing import Literal

from clampdown_runtime.bundle.files import Bundle, read_bundle
from clampdown_runtime.bundle.manifest import GOLDEN_FILE, ROWS_ALONE
from clampdown_runtime.errors import ClampdownError
from clampdown_runtime.sessions.session import create_session
from clampdown_runtime.writing.atomic_write import atomic_folder

Device = Literal["cpu", "gpu"]
"""Where Triton runs its instances."""

NAME = "classifier"
BATCH = 64
"""Rows that Triton may put together: beyond it latency grows, and throughput hardly does."""

_CLIENT = "replay_golden.py"
_NAMES = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""Of Kubernetes' labels, which is more than Triton asks for."""


def write_triton(
    bundle: str | Path,
    out: Path,
    *,
    name: str = NAME,
    device: Device = "cpu",
    instances: int = 1,
    max_batch_size: int = BATCH,
    expected_digest: str | None = None,
) -> Path:
    """Writes a model repository: token ids go in, what the graph puts out comes back.

    The graph's bytes are those of the bundle. In every precision but int8 Triton puts requests of
    one length together (dynamic batching). The rows of an int8 graph influence each other: it
    takes one row in a request, and Triton puts none together. ``threshold`` is an optional input
    where there is no batching, since Triton has no optional inputs elsewhere.

    Args:
        bundle: the bundle's folder.
        out: a new or empty folder, the repository.
        name: of the model.
        device: where the instances run.
        instances: how many there are, on every GPU or on the CPU.
        max_batch_size: rows that are put together; 0 for no batching.
        expected_digest: see :meth:`DefendedClassifier.load`.

    Returns:
        The model's folder in the repository.

    Raises:
        BundleError: the bundle is damaged, changed or another one.
        DestinationError: ``out`` is not free.
        ClampdownError: the name is none for a server.
    """
    if not _NAMES.fullmatch(name):
        raise ClampdownError(
            "The model's name",
            found=repr(name),
            expected="small letters, digits and - between them",
            hint="Pass another name.",
        )

    def write(opened: Bundle) -> None:
        manifest = opened.manifest
        batch = 0 if manifest.precision in ROWS_ALONE else max_batch_size
        with atomic_folder(out) as aside:
            model = aside / name
            (model / "1").mkdir(parents=True)
            (model / "1" / "model.onnx").write_bytes(opened.read(manifest.model_file))
            (model / "config.pbtxt").write_text(
                config(opened, name, device, instances, batch), "utf-8"
            )
            # One line for each class: Triton's classification extension reads them.
            labels = "".join(f"{' '.join(label.split())}\n" for label in manifest.labels)
            (model / "labels.txt").write_text(labels, "utf-8")
            (model / "golden.json").write_bytes(opened.read(GOLDEN_FILE))
            (model / _CLIENT).write_bytes(Path(__file__).with_name(_CLIENT).read_bytes())

    read_bundle(bundle, write, expected_digest=expected_digest)
    return out / name


def config(bundle: Bundle, name: str, device: Device, instances: int, batch: int) -> str:
    """The text of ``config.pbtxt``.

    Inputs and outputs are all given, so that Triton completes nothing: of a configuration without
    them it would take ``max_batch_size: 0`` for one that was forgotten, and put int8 rows together.
    """
    manifest = bundle.manifest
    session = create_session(bundle.read(manifest.model_file), name=str(bundle.model_path))
    # Where there is no batching the shapes are those of the graph, or narrower.
    rows = [] if batch else [1 if manifest.precision in ROWS_ALONE else -1]
    classes = [dim if isinstance(dim, int) else -1 for dim in session.get_outputs()[0].shape[1:]]
    inputs = [_tensor(one, "TYPE_INT64", [*rows, -1]) for one in manifest.inputs]
    if not batch:
        inputs.append(_tensor("threshold", "TYPE_FP32", [1], "optional: true"))
    # Of one value for each row nothing is left beside the batch, which Triton writes so.
    alone = ([1], "reshape { shape: [] }") if batch else ([-1], "")
    outputs = [
        _tensor(
            "logits", "TYPE_FP32", classes if batch else [-1, *classes],
            f"label_filename: {_quoted('labels.txt')}",
        ),
        _tensor("anomaly_score", "TYPE_FP32", *alone),
        _tensor("flagged", "TYPE_BOOL", *alone),
    ]  # fmt: skip
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
            f"parameters {{ {digest} }}",
            "",
        )
    )


def _tensor(name: str, kind: str, dims: list[int], more: str = "") -> str:
    shape = ", ".join(map(str, dims))
    return f"{{ name: {_quoted(name)} data_type: {kind} dims: [{shape}] {more}".rstrip() + " }"


def _quoted(text: str) -> str:
    return json.dumps(text)
