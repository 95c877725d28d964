"""What the mutants are fed to: everything that reads a file of a stranger.

Packages are imported as a target runs, so that only the workers pay for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TEXTS = ["the film", "a good book and a very bad day " * 4, "Käfer 昨日 \u2028 [CLS] \U0001f600"]
"""A plain one, one that is truncated, and one of unknown words."""


@dataclass(frozen=True, slots=True)
class Target:
    """One way in.

    Attributes:
        run: reads the mutant's folder; gives what it refuses it for, nothing when it accepts it,
            or raises.
        specimens: the valid folders that its mutants are made from.
        mutators: the names of those that apply, each with globs of the files that it changes.
        writes: whether it changes the folder when it accepts it.
        follows: whether a link out of the folder is followed on purpose: the cache of a model hub
            is made of them, and a user may link to rows.
    """

    run: Callable[[Path], Sequence[str]]
    specimens: tuple[str, ...]
    mutators: Mapping[str, tuple[str, ...]]
    writes: bool = False
    follows: bool = False


def load(folder: Path) -> Sequence[str]:
    """Load the bundle and run it."""
    from clampdown_runtime import DefendedClassifier

    assert len(DefendedClassifier.load(folder)(TEXTS)) == len(TEXTS)
    return ()


def verify(folder: Path) -> Sequence[str]:
    """Verify the bundle; a difference that is found is a refusal."""
    from clampdown_exporter import verify

    return verify(folder)


def inspect(folder: Path) -> Sequence[str]:
    """Gather the bundle's facts."""
    from clampdown.inspect_bundle import inspect_bundle

    assert inspect_bundle(folder).digest
    return ()


def monitor(folder: Path) -> Sequence[str]:
    """Count the bundle's rows in bins of its clean scores, and look at them."""
    from clampdown_runtime import DefendedClassifier
    from clampdown_runtime.monitor import Monitor, judge

    classifier = DefendedClassifier.load(folder)
    counting = Monitor(classifier.bundle)
    classifier.monitored_by(counting)(TEXTS)
    assert judge([counting.snapshot()]).rows == len(TEXTS)
    return ()


def threshold(folder: Path) -> Sequence[str]:
    """Move the bundle's threshold to a rate."""
    return _moved(folder, frr=0.2)


def threshold_value(folder: Path) -> Sequence[str]:
    """Move the bundle's threshold to a value that no score of the specimen is near."""
    return _moved(folder, value=0.01)


def _moved(folder: Path, **choice: float) -> Sequence[str]:
    """The bundle that comes of it has to load."""
    from clampdown_exporter import move_threshold
    from clampdown_runtime import ClampdownError, DefendedClassifier

    move_threshold(folder, **choice)
    try:
        DefendedClassifier.load(folder)
    except ClampdownError as error:
        raise AssertionError("the bundle that was written does not load") from error
    return ()


def calibration(folder: Path) -> Sequence[str]:
    """Load the calibration."""
    from clampdown_calib import load_calibration

    assert load_calibration(folder).facts.labels
    return ()


def rows(folder: Path) -> Sequence[str]:
    """Read the rows to the end."""
    from clampdown_runtime import read_rows

    # Where a mutator took it away, the name of the one that was there.
    places = [*sorted(folder.glob("rows.*")), *sorted(folder.iterdir()), folder / "rows.csv"]
    read = list(read_rows(places[0]))
    assert read
    assert all(isinstance(row.text, str) and row.text.strip() for row in read)
    return ()


def tokenization(folder: Path) -> Sequence[str]:
    """Load the model's tokenizer and encode texts."""
    from clampdown_calib.models.model_folder import open_model
    from clampdown_calib.models.tokenizer.tokenization import load_tokenization

    assert len(load_tokenization(open_model(folder)).encode(TEXTS)) == len(TEXTS)
    return ()


def checkpoint(folder: Path) -> Sequence[str]:
    """Load the checkpoint, which is run once to find its layers."""
    from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
    from clampdown_calib.models.model_folder import open_model

    model = open_model(folder)
    model.digest()
    assert TorchClassifier.load(model, ("input_ids", "attention_mask")).layers
    return ()


def onnx(folder: Path) -> Sequence[str]:
    """Read the graph of an ONNX model, load it and run it."""
    import tiny_graph

    from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
    from clampdown_calib.graphs.onnx_files.read_onnx_graph import read_onnx_graph
    from clampdown_calib.models.model_folder import open_model

    model = open_model(folder)
    model.digest()
    # By hand, since its nodes' names tell no blocks.
    graph = read_onnx_graph(model, layers=["v2", "v4"])
    assert len(OnnxClassifier(graph).activations(tiny_graph.batch(2, 5)).hidden) == 2
    return ()


BUNDLES = ("bundle-probe", "bundle-badacts")
BUNDLE_JSON = ("clampdown.json", "golden.json", "clampdown.json", "config.json")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "config.json")
EVERY = ("**/*",)
MOVED = {
    "bytes": EVERY,
    "json": BUNDLE_JSON,
    "protobuf": ("onnx/*",),
    "safetensors": ("calibration.safetensors",),
    "tokenizer": ("tokenizer.json",),
    "files": EVERY,
}

TARGETS: dict[str, Target] = {
    "load": Target(
        load,
        BUNDLES,
        {
            "bytes": ("clampdown.json", "tokenizer.json", "onnx/*"),
            "json": ("clampdown.json",),
            "protobuf": ("onnx/*",),
            "tokenizer": ("tokenizer.json",),
            "files": EVERY,
        },
    ),
    "verify": Target(
        verify,
        BUNDLES,
        {
            "bytes": EVERY,
            "json": BUNDLE_JSON,
            "protobuf": ("onnx/*",),
            "safetensors": ("calibration.safetensors",),
            "tokenizer": ("tokenizer.json",),
            "files": EVERY,
        },
    ),
    "inspect": Target(
        inspect,
        BUNDLES,
        {
            "bytes": ("clampdown.json", "calibration.safetensors"),
            "json": ("clampdown.json",),
            "safetensors": ("calibration.safetensors",),
            "files": EVERY,
        },
    ),
    "monitor": Target(
        monitor,
        BUNDLES,
        {
            "bytes": ("calibration.safetensors",),
            "json": ("clampdown.json",),
            "safetensors": ("calibration.safetensors",),
        },
    ),
    "threshold": Target(threshold, ("bundle-probe",), MOVED, writes=True),
    "threshold-value": Target(threshold_value, ("bundle-badacts",), MOVED, writes=True),
    "calibration": Target(
        calibration,
        ("calibration-probe", "calibration-badacts"),
        {
            "bytes": EVERY,
            "json": ("calibration.json", "rows.jsonl"),
            "safetensors": ("calibration.safetensors",),
            "rows": ("rows.jsonl",),
            "files": EVERY,
        },
    ),
    "rows": Target(
        rows,
        ("rows-csv", "rows-tsv", "rows-jsonl", "rows-json", "rows-gz", "rows-parquet"),
        {"bytes": EVERY, "json": ("*.jsonl", "*.json"), "rows": EVERY, "files": EVERY},
        follows=True,
    ),
    "tokenization": Target(
        tokenization,
        ("checkpoint", "onnx"),
        {
            "bytes": TOKENIZER_FILES,
            "json": TOKENIZER_FILES,
            "config": ("tokenizer_config.json", "config.json"),
            "tokenizer": ("tokenizer.json",),
            "files": EVERY,
        },
        follows=True,
    ),
    "checkpoint": Target(
        checkpoint,
        ("checkpoint", "checkpoint-parts"),
        {
            "bytes": ("config.json", "*.safetensors", "*.index.json"),
            "json": ("config.json", "*.index.json"),
            "config": ("config.json",),
            "safetensors": ("*.safetensors",),
            "files": EVERY,
        },
        follows=True,
    ),
    "onnx": Target(
        onnx,
        ("onnx", "onnx-external"),
        {
            "bytes": ("config.json", "model.onnx", "model.onnx_data"),
            "json": ("config.json",),
            "config": ("config.json",),
            "protobuf": ("model.onnx",),
            "files": EVERY,
        },
        follows=True,
    ),
}
