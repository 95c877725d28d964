"""A graph of two layers made by hand, what it has to compute in NumPy, and how it is run."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from tiny_transformers import save_tokenizer

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import Detector, ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.graphs.sites import mark_layers, marked_layers
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_calib.rows.clean_rows import EncodedRows
from clampdown_calib.rows.clean_run import CleanRun, token_positions
from clampdown_runtime import Padding

WIDTH, CLASSES, VOCABULARY = 6, 3, 40
PAD, INFINITE, NOT_A_NUMBER = 0, 38, 39
"""Token ids: padding, and two whose embedding is not finite."""

TOKENIZATION = Tokenization("", "", ("input_ids", "attention_mask"), 64, Padding("right", PAD, 0))
"""Of the graph made by hand, for rows that are token ids already."""


def weights() -> dict[str, np.ndarray]:
    """Of :func:`marked_graph`, float32."""
    random = np.random.default_rng(7)
    drawn = {
        "embedding": random.normal(size=(VOCABULARY, WIDTH)),
        "mix": random.normal(size=(WIDTH, WIDTH)),
        "head": random.normal(size=(WIDTH, CLASSES)) * 2,
    }
    drawn["embedding"][INFINITE, 0] = np.inf
    drawn["embedding"][NOT_A_NUMBER, 0] = np.nan
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def marked_graph() -> ir.Model:
    """Two layers, the second of which sees the mean of the first over all real tokens.

    ``h1 = Relu(embedding * mask)``, ``h2 = (h1 + mean(h1)) @ mix``, ``logits = h2[:, 0] @ head``.
    """
    tape = ir.tape.Tape()
    constant = {
        name: tape.initializer(ir.tensor(value), name)
        for name, value in {
            **weights(),
            "token_axis": np.array([1]),
            "depth_axis": np.array([2]),
            "first_token": np.array(0),
        }.items()
    }
    ids, mask = (_input(name) for name in ("input_ids", "attention_mask"))
    # Read on both sides of the first layer, as attention masks are.
    real = tape.op(
        "Unsqueeze",
        [tape.op("Cast", [mask], {"to": ir.DataType.FLOAT}), constant["depth_axis"]],
    )
    words = tape.op("Gather", [constant["embedding"], ids])
    h1 = tape.op("Relu", [tape.op("Mul", [words, real])])
    total = tape.op("ReduceSum", [tape.op("Mul", [h1, real]), constant["token_axis"]])
    mean = tape.op("Div", [total, tape.op("ReduceSum", [real, constant["token_axis"]])])
    h2 = tape.op("MatMul", [tape.op("Add", [h1, mean]), constant["mix"]])
    first = tape.op("Gather", [h2, constant["first_token"]], {"axis": 1})
    logits = tape.op("MatMul", [first, constant["head"]])
    for position, node in enumerate(tape.nodes):
        node.name = f"{position}_{node.op_type}"
        node.outputs[0].name = f"v{position}"
    logits.name = "logits"
    for value, shape in (
        (h1, ["batch", "sequence", WIDTH]),
        (h2, ["batch", "sequence", WIDTH]),
        (logits, ["batch", CLASSES]),
    ):
        value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(shape)
    graph = ir.Graph(
        [ids, mask],
        [logits],
        nodes=tape.nodes,
        initializers=tape.initializers,
        opset_imports={"": 20},
        name="tiny",
    )
    mark_layers([h1, h2])
    return ir.Model(graph, ir_version=10)


def reference(
    inputs: dict[str, np.ndarray], clip: Intervals | None = None
) -> tuple[list[np.ndarray], np.ndarray]:
    """The layers' outputs before their own clip, and the logits, in NumPy."""
    w = weights()

    def clipped(hidden: np.ndarray, layer: int) -> np.ndarray:
        if clip is None:
            return hidden
        return np.minimum(np.maximum(hidden, clip.lower[layer]), clip.upper[layer])

    with np.errstate(invalid="ignore"):
        real = inputs["attention_mask"][:, :, None].astype(np.float32)
        h1 = np.maximum(w["embedding"][inputs["input_ids"]] * real, 0)
        c1 = clipped(h1, 0)
        mean = (c1 * real).sum(axis=1, keepdims=True) / real.sum(axis=1, keepdims=True)
        h2 = (c1 + mean) @ w["mix"]
        return [h1, h2], clipped(h2, 1)[:, 0] @ w["head"]


def token_means(hidden: list[np.ndarray], mask: np.ndarray) -> np.ndarray:
    """Of the tokens that are not padding, at every layer, row by row."""
    rows = range(len(mask))
    return np.stack([[h[row][mask[row] == 1].mean(axis=0) for h in hidden] for row in rows])


DETECTORS: dict[str, type[Detector]] = {"excess": ExcessDetector, "nas": NasDetector}


def answer() -> Answer:
    """Such that some rows get the probe's label and some keep the model's."""
    return Answer(log_odds=np.float32([0.5]), sharpness=np.float32([0.7]))


def seen(
    inputs: dict[str, np.ndarray], representation: str = "first", clip: Intervals | None = None
) -> CleanRun:
    """What a detector sees of :func:`reference`."""
    hidden, logits = reference(inputs, clip)
    mask = inputs["attention_mask"]
    place = token_positions(mask, representation)
    tokens = np.stack([layer[np.arange(len(place)), place] for layer in hidden], axis=1)
    return CleanRun(tokens, token_means(hidden, mask), logits, None)


def batch(rows: int, tokens: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Random ids; every second row is shorter than the others and padded on the right."""
    random = np.random.default_rng(seed)
    ids = random.integers(1, INFINITE, (rows, tokens))
    mask = np.ones_like(ids)
    mask[1::2, max(tokens // 2, 1) :] = 0
    ids[mask == 0] = PAD
    return {"input_ids": ids, "attention_mask": mask}


def padded(ids: list[list[int]]) -> dict[str, np.ndarray]:
    """Rows of token ids as one batch, padded on the right."""
    inputs = {name: np.zeros((len(ids), max(map(len, ids))), int) for name in TOKENIZATION.inputs}
    for row, tokens in enumerate(ids):
        inputs["input_ids"][row, : len(tokens)] = tokens
        inputs["attention_mask"][row, : len(tokens)] = 1
    return inputs


def encoded_rows(count: int, labels: np.ndarray | None = None) -> EncodedRows:
    """Clean rows of one to eleven tokens."""
    random = np.random.default_rng(0)
    ids = [random.integers(1, INFINITE, n).tolist() for n in random.integers(1, 12, count)]
    return EncodedRows(ids, labels, TOKENIZATION)


def seen_alone(
    rows: EncodedRows, representation: str = "first", clip: Intervals | None = None
) -> CleanRun:
    """What a detector sees of each row without any padding, in the rows' order."""
    alone = [seen(padded([ids]), representation, clip) for ids in rows.ids]
    names = ("hidden", "pooled", "logits")
    arrays = (np.concatenate([getattr(row, name) for row in alone]) for name in names)
    return CleanRun(*arrays, rows.labels)


def intervals(quantile: float = 0.2) -> Intervals:
    """Narrow enough that clipping into them changes logits."""
    hidden, _ = reference(batch(64, 5, seed=1))
    low, high = np.quantile(
        [h.reshape(-1, WIDTH) for h in hidden], [quantile, 1 - quantile], axis=1
    ).astype(np.float32)
    return Intervals(low, high)


def _input(name: str) -> ir.Value:
    return ir.Value(
        name=name,
        type=ir.TensorType(ir.DataType.INT64),
        shape=ir.Shape(["batch", "sequence"]),
    )


def session(model: ir.Model, level: str = "ORT_ENABLE_ALL") -> onnxruntime.InferenceSession:
    """On the CPU, at a level of graph optimisation."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    data = ir.to_proto(model).SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run_nodes(
    emit: Callable[..., Sequence[ir.Value]], *arrays: np.ndarray, shape: Sequence[int] = ()
) -> list[np.ndarray]:
    """What the nodes that ``emit(tape, *inputs)`` records give of float32 ``[batch, ...]``.

    Every output is ``[batch, *shape]``.
    """
    tape = ir.tape.Tape()
    kind = ir.TensorType(ir.DataType.FLOAT)
    inputs = [
        ir.Value(name=f"input_{i}", type=kind, shape=ir.Shape(["batch", *array.shape[1:]]))
        for i, array in enumerate(arrays)
    ]
    outputs = list(emit(tape, *inputs))
    for index, value in enumerate(outputs):
        value.name, value.type = f"output_{index}", kind
        value.shape = ir.Shape(["batch", *shape])
    graph = ir.Graph(
        inputs,
        outputs,
        nodes=tape.nodes,
        initializers=tape.initializers,
        opset_imports={"": 20},
        name="nodes",
    )
    model = ir.Model(graph, ir_version=10)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    feed = {value.name: array for value, array in zip(inputs, arrays, strict=True)}
    return session(model).run(None, feed)


def save_onnx_model(folder: Path) -> tuple[str, ...]:
    """A folder with :func:`marked_graph` as somebody else's export; returns its layers' names."""
    model = marked_graph()
    folder.mkdir()
    ir.save(model, folder / "model.onnx")
    labels = {str(index): f"class {index}" for index in range(CLASSES)}
    configuration = {
        "model_type": "bert",
        "id2label": labels,
        "pad_token_id": PAD,
        "max_position_embeddings": 24,
    }
    (folder / "config.json").write_text(json.dumps(configuration))
    save_tokenizer(folder)
    return tuple(value.name for value in marked_layers(model.graph))
