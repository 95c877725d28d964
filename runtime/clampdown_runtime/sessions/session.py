"""Creates the ONNX Runtime session of a defended graph."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from clampdown_runtime.bundle.manifest import InputName, Manifest
from clampdown_runtime.errors import BundleError, ProviderError
from clampdown_runtime.sessions.providers import (
    Provider,
    import_onnxruntime,
    prepare_provider,
    require_provider,
)

if TYPE_CHECKING:
    import onnxruntime

OUTPUTS = ("logits", "anomaly_score", "flagged")
UNDEFENDED_LOGITS = "undefended_logits"
"""Behind the others where the defence answers rows itself; graphs of earlier releases and of the
published method have no such output."""
THRESHOLD = "threshold"

SIGNATURE = {
    **dict.fromkeys(get_args(InputName), ("tensor(int64)", 2)),
    THRESHOLD: ("tensor(float)", 1),
    "logits": ("tensor(float)", 2),
    "anomaly_score": ("tensor(float)", 1),
    "flagged": ("tensor(bool)", 1),
    UNDEFENDED_LOGITS: ("tensor(float)", 2),
}
"""Type and rank of every input and output."""

_NOTHING_TO_LOG = 4
"""Fatal messages alone: a failure's text is in our error, and one in the log could hold what moves
a terminal's cursor. Every load warns that `threshold` is an initializer and an input."""

_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
"""Where ONNX Runtime looks for weights that a graph in memory has elsewhere: by default in the
folder that the process happens to be in."""


def create_session(
    model: Path | bytes,
    *,
    name: str | None = None,
    weights: Mapping[str, bytes | memoryview] | None = None,
    provider: Provider = "cpu",
    threads: int | None = None,
    cuda_graphs: bool = False,
) -> "onnxruntime.InferenceSession":
    """Creates a session on the provider asked for, never on another one in its place.

    Single nodes for which the provider has no kernel run on the CPU, as ONNX Runtime places them.

    Args:
        model: the ONNX file, or its bytes, for which no other file is ever read.
        name: of it in an error; the file's path when None.
        weights: contents of the files that the bytes refer to, by their names there. ONNX Runtime
            copies what it needs.
        provider: where it runs.
        threads: how many threads one operator may use; ONNX Runtime's choice when None.
        cuda_graphs: capture CUDA graphs, for runs with bound inputs and outputs of fixed shapes.

    Raises:
        BundleError: the file is not a whole, valid ONNX graph.
        ProviderError: ONNX Runtime or the provider is not usable, ``threads`` is below 1, or CUDA
            graphs are asked of another provider, or weights of a release that cannot take them.
    """
    if cuda_graphs and provider != "cuda":
        raise ProviderError(
            "CUDA graphs",
            found=f"the provider {provider!r}",
            expected="the provider 'cuda'",
            hint="Pass the provider 'cuda', or leave the CUDA graphs out.",
        )
    if threads is not None and threads < 1:
        raise ProviderError(
            "threads", found=str(threads), expected="at least 1", hint="Pass more, or leave it out."
        )
    kind, settings = prepare_provider(provider)
    if cuda_graphs:
        settings = {**settings, "enable_cuda_graph": "1"}
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = _NOTHING_TO_LOG
    if threads is not None:
        options.intra_op_num_threads = threads
    if isinstance(model, bytes):
        # A file has no files in it.
        options.add_session_config_entry(_WEIGHTS_FOLDER, os.devnull)
    if weights:
        _give_weights(options, weights, ort.__version__)
    try:
        session = ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=[(kind, settings)]
        )
    # ONNX Runtime's exceptions have no base of their own.
    except Exception as error:
        raise BundleError(
            name or str(model),
            found=f"a file that ONNX Runtime cannot load ({error})",
            expected="a whole ONNX graph that this ONNX Runtime supports",
            hint="Get an unchanged copy, or upgrade ONNX Runtime.",
        ) from error
    require_provider(session, provider)
    # A failing provider would otherwise be replaced by the CPU in the middle of a run.
    session.disable_fallback()
    return session


def _give_weights(
    options: "onnxruntime.SessionOptions", weights: Mapping[str, bytes | memoryview], release: str
) -> None:
    """Let the options hold files in memory, in which every reference has to end."""
    if not hasattr(options, "add_external_initializers_from_files_in_memory"):
        raise ProviderError(
            "ONNX Runtime",
            found=f"release {release}",
            expected="1.24 or newer, for a graph whose weights lie in a file beside it",
            hint="Upgrade ONNX Runtime.",
        )
    options.add_external_initializers_from_files_in_memory(
        [*weights], [*weights.values()], [len(content) for content in weights.values()]
    )


def require_signature(
    session: "onnxruntime.InferenceSession", manifest: Manifest, model_path: Path
) -> None:
    """Refuses a graph whose inputs or outputs are not those of a defended graph.

    Raises:
        BundleError: the inputs, the threshold or the outputs are not as docs/bundle.md says.
    """
    nodes = (session.get_inputs(), session.get_overridable_initializers(), session.get_outputs())
    inputs, overridable, outputs = (tuple(node.name for node in group) for group in nodes)
    more = (UNDEFENDED_LOGITS,) if manifest.mode != "detect" and len(outputs) > len(OUTPUTS) else ()
    expected = (manifest.inputs, (THRESHOLD,), (*OUTPUTS, *more))
    if (inputs, overridable, outputs) != expected:
        raise _not_defended(
            model_path, _signature(inputs, overridable, outputs), _signature(*expected)
        )
    for node in (node for group in nodes for node in group):
        found = (node.type, len(node.shape))
        if found != SIGNATURE[node.name]:
            raise _not_defended(
                model_path,
                f"`{node.name}` as {found[0]} of {found[1]} dimensions",
                "{} of {}".format(*SIGNATURE[node.name]),
            )


def _not_defended(model_path: Path, found: str, expected: str) -> BundleError:
    return BundleError(
        str(model_path), found=found, expected=expected, hint="Export the bundle again."
    )


def _signature(
    inputs: tuple[str, ...], overridable: tuple[str, ...], outputs: tuple[str, ...]
) -> str:
    return (
        f"inputs {', '.join(inputs)}, overridable {', '.join(overridable) or 'none'}, "
        f"outputs {', '.join(outputs)}"
    )
