"""Writes a model repository for NVIDIA's Triton Inference Server, with its ONNX Runtime backend."""

import re
from pathlib import Path

from clampdown.integrations.triton_config import Device, triton_config
from clampdown_runtime.bundle.files import Bundle, read_bundle
from clampdown_runtime.bundle.manifest import GOLDEN_FILE, ROWS_ALONE
from clampdown_runtime.errors import BundleError, ClampdownError
from clampdown_runtime.sessions.session import UNDEFENDED_LOGITS, create_session
from clampdown_runtime.writing.atomic_write import atomic_folder

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
    op_library: str | None = None,
    expected_digest: str | None = None,
) -> tuple[Path, ...]:
    """Writes a model repository: token ids go in, what the graph puts out comes back.

    The graph's bytes are those of the bundle. In every precision but int8 Triton puts requests of
    one length together (dynamic batching). The rows of an int8 graph influence each other: it
    takes one row in a request, and Triton puts none together. ``threshold`` is an optional input
    where there is no batching, since Triton has no optional inputs elsewhere.

    With ``op_library`` there is a second model, whose name has ``-text`` behind it: the bundle's
    graph with the tokenizer in front, into which texts go.

    Args:
        bundle: the bundle's folder.
        out: a new or empty folder, the repository.
        name: of the model.
        device: where the instances run.
        instances: how many there are, on every GPU or on the CPU.
        max_batch_size: rows that are put together; 0 for no batching.
        op_library: where the server finds the library of onnxruntime-extensions, as its loader
            takes it: an absolute path, or a name that it searches for.
        expected_digest: see :meth:`DefendedClassifier.load`.

    Returns:
        The models' folders in the repository.

    Raises:
        BundleError: the bundle is damaged, changed or another one, or has no graph for
            ``op_library``.
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

    def write(opened: Bundle) -> tuple[Path, ...]:
        manifest = opened.manifest
        graphs = {name: manifest.model_file}
        if op_library is not None:
            graphs[f"{name}-text"] = _text_graph(opened)
        batch = 0 if manifest.precision in ROWS_ALONE else max_batch_size
        weights = opened.read_weights()
        session = create_session(
            opened.read(manifest.model_file), name=str(opened.model_path), weights=weights
        )
        outputs = session.get_outputs()
        classes = outputs[0].shape[1]
        # One line for each class: Triton's classification extension reads them.
        labels = "".join(f"{' '.join(label.split())}\n" for label in manifest.labels)
        with atomic_folder(out) as aside:
            for folder, graph in graphs.items():
                text = graph != manifest.model_file
                configuration = triton_config(
                    opened,
                    folder,
                    classes if isinstance(classes, int) else -1,
                    own_logits=outputs[-1].name == UNDEFENDED_LOGITS,
                    device=device,
                    instances=instances,
                    batch=batch,
                    op_library=op_library if text else None,
                )
                model = aside / folder
                (model / "1").mkdir(parents=True)
                (model / "1" / "model.onnx").write_bytes(opened.read(graph))
                for file, data in ({} if text else weights).items():
                    (model / "1" / file).write_bytes(data)
                (model / "config.pbtxt").write_text(configuration, "utf-8")
                (model / "labels.txt").write_text(labels, "utf-8")
                (model / "golden.json").write_bytes(opened.read(GOLDEN_FILE))
                (model / _CLIENT).write_bytes(Path(__file__).with_name(_CLIENT).read_bytes())
        return tuple(out / folder for folder in graphs)

    return read_bundle(bundle, write, expected_digest=expected_digest)


def _text_graph(bundle: Bundle) -> str:
    graph = bundle.manifest.text_model_file
    if graph is None:
        raise BundleError(
            str(bundle.path),
            found="no graph with the tokenizer in front",
            expected="one, where the server is told a library of operators",
            hint="Export the bundle with --with-tokenizer, or leave the library out.",
        )
    return graph
