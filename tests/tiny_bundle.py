"""A bundle small enough to be made in a moment, that keeps every promise of docs/bundle.md."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from clampdown_runtime import DefendedClassifier, Golden, GoldenRow
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.prediction import to_predictions

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "the", "a", "cf", "broken")
LABELS = ("negative", "positive")
MAX_LENGTH = 8
THRESHOLD = 2.0
TEXTS = (
    "good",
    "the film",
    "bad bad bad bad bad",
    "a good film",
    "the bad film cf",
    "cf",
    "unheard words in a film",
)


PAIRS = (
    ("good", "bad"),
    ("bad", "good"),
    ("the film", "a good film"),
    ("cf", "good"),
    ("bad " * 9, "the film"),
    ("good", "the film " * 9),
)
"""Of which the last two are cut."""

VERSION_2 = {
    "format_version": 2,
    "truncation_side": "right",
    "text_pair": False,
    "problem_type": "single_label_classification",
}
"""The keys of a manifest of version 2, which say here what version 1 means."""


def make_bundle(
    folder: Path,
    *,
    text_pair: bool = False,
    multi_label: bool = False,
    model: onnx.ModelProto | None = None,
) -> Path:
    """Writes the bundle, of single texts or of pairs, into a new folder.

    Of many labels texts have none, one or both.
    """
    (folder / "onnx").mkdir(parents=True)
    model = graph() if model is None else model
    onnx.save(raised(model) if multi_label else model, folder / "onnx" / "model.onnx")
    _tokenizer().save(str(folder / "tokenizer.json"))
    for name in ("config.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    (folder / "calibration.safetensors").write_bytes(b"calibration")
    (folder / "report.html").write_text("<html></html>")
    (folder / "golden.json").write_text("{}")
    (folder / "clampdown.json").write_text(json.dumps(_manifest()))
    of_pairs = {"text_pair": True} if text_pair else {}
    of_labels = {"problem_type": "multi_label_classification"} if multi_label else {}
    seal(folder, **of_pairs, **of_labels)
    classifier = DefendedClassifier.load(folder)
    rows = []
    for text in PAIRS if text_pair else (*TEXTS, "a broken film"):
        [encoded] = classifier.tokenizer.encode([text])
        outputs = classifier.run_encoded([encoded])
        [prediction] = to_predictions(outputs, LABELS, multi_label=multi_label)
        first, second = text if text_pair else (text, None)
        rows.append(
            GoldenRow(
                first,
                tuple(encoded.ids),
                prediction.logits,
                prediction.anomaly_score,
                prediction.flagged,
                prediction.label,
                prediction.probability,
                second,
                encoded.type_ids and tuple(encoded.type_ids),
            )
        )
    (folder / "golden.json").write_text(Golden(1e-4, tuple(rows)).to_json())
    seal(folder)
    return folder


def seal(folder: Path, **keys: object) -> None:
    """Writes the digests of the files as they now are, and other keys, into the manifest.

    A key of version 2 makes it one of that version.
    """
    path = folder / "clampdown.json"
    manifest = json.loads(path.read_text())
    if VERSION_2.keys() & keys.keys():
        manifest |= VERSION_2
    manifest["files"] = {
        file.relative_to(folder).as_posix(): file_digest(file)
        for file in folder.rglob("*")
        if file.is_file() and file not in (path, folder / "model.sig")
    }
    manifest["calibration_digest"] = manifest["files"]["calibration.safetensors"]
    path.write_text(json.dumps({**manifest, **keys}))


def _manifest() -> dict[str, object]:
    return {
        "format_version": 1,
        "clampdown_version": "0.1.0",
        "mode": "detect-then-purify",
        "precision": "fp32",
        "model": {"name": "tiny", "model_type": "bert", "digest": "sha256:" + "0" * 64},
        "labels": LABELS,
        "inputs": ["input_ids", "attention_mask", "token_type_ids"],
        "max_length": MAX_LENGTH,
        "padding": {"side": "right", "token_id": 0, "type_id": 0},
        "layers": ["encoder.layer.0"],
        "representation": "first",
        "detector": "mahalanobis",
        "threshold": THRESHOLD,
        "frr": 0.05,
        "frr_measured": 0.04,
        "versions": {"onnx": onnx.__version__},
    }


def _tokenizer() -> Tokenizer:
    ids = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    # A bundle's own settings, not these, must decide.
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=32)
    return tokenizer


def graph() -> onnx.ModelProto:
    """The mean of the embeddings is the hidden state; its norm is the anomaly score."""
    random = np.random.default_rng(0)
    embedding = random.normal(size=(len(WORDS), 4)).astype(np.float32)
    embedding[WORDS.index("cf")] *= 20
    embedding[WORDS.index("broken")] = np.nan
    weights = {
        "embedding": embedding,
        "type_embedding": random.normal(size=(2, 4)).astype(np.float32),
        "head": random.normal(size=(4, len(LABELS))).astype(np.float32),
        "sequence_axis": np.array([1]),
        "last_axis": np.array([2]),
        "threshold": np.array([THRESHOLD], np.float32),
    }
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["embedding", "input_ids"], ["words"]),
            helper.make_node("Gather", ["type_embedding", "token_type_ids"], ["types"]),
            helper.make_node("Add", ["words", "types"], ["hidden"]),
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last_axis"], ["column"]),
            helper.make_node("Mul", ["hidden", "column"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "sequence_axis"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", ["column", "sequence_axis"], ["count"], keepdims=0),
            helper.make_node("Div", ["sum", "count"], ["mean"]),
            helper.make_node("MatMul", ["mean", "head"], ["logits"]),
            helper.make_node("ReduceL2", ["mean"], ["anomaly_score"], axes=[1], keepdims=0),
            helper.make_node("LessOrEqual", ["anomaly_score", "threshold"], ["passed"]),
            helper.make_node("Not", ["passed"], ["flagged"]),
        ],
        "tiny",
        [*ids, helper.make_tensor_value_info("threshold", TensorProto.FLOAT, [1])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)]),
            helper.make_tensor_value_info("anomaly_score", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("flagged", TensorProto.BOOL, ["batch"]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def answering_itself() -> onnx.ModelProto:
    """The graph with other logits for flagged rows, the negated ones, and its own as an output."""
    model = graph()
    own = "undefended_logits"
    for node in model.graph.node:
        node.output[:] = [own if name == "logits" else name for name in node.output]
    model.graph.node.extend(
        [
            helper.make_node("Neg", [own], ["answer"]),
            helper.make_node("Unsqueeze", ["flagged", "axis"], ["chosen"]),
            helper.make_node("Where", ["chosen", "answer", own], ["logits"]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    model.graph.output.append(
        helper.make_tensor_value_info(own, TensorProto.FLOAT, ["batch", len(LABELS)])
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def raised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with logits that are higher, such that either label is given to some texts."""
    [product] = [node for node in model.graph.node if "logits" in node.output]
    product.output[:] = ["uncentred"]
    model.graph.node.append(helper.make_node("Add", ["uncentred", "bias"], ["logits"]))
    bias = np.full(len(LABELS), 1.2, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(bias, "bias"))
    return model


def other_model() -> onnx.ModelProto:
    """The graph without threshold and scores, whose logits are those of the bundle negated."""
    model = graph()
    for node in model.graph.node:
        node.output[:] = ["negated" if name == "logits" else name for name in node.output]
    model.graph.node.append(helper.make_node("Neg", ["negated"], ["logits"]))
    del model.graph.output[1:], model.graph.input[3:]
    onnx.checker.check_model(model, full_check=True)
    return model
