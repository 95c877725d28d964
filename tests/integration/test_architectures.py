"""Every supported architecture, end to end on a small random configuration.

The reference is the torch model itself: its layers are clipped by hooks and the score is computed
in NumPy, so that neither the graph nor the passes take part in what is expected.
"""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from clampdown_calib.activations import token_positions
from clampdown_calib.architectures import ARCHITECTURES
from clampdown_calib.detectors import FusionDetector, Representations
from clampdown_calib.intervals import Intervals
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_exporter.trace import trace

WIDTH, LAYERS, CLASSES, WORDS, POSITIONS = 32, 2, 3, 100, 66
TOLERANCE = 1e-4
HIDDEN = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
COMMON = {**HIDDEN, "intermediate_size": 64, "max_position_embeddings": POSITIONS}
KEYS = {"num_key_value_heads": 1}
CONFIGURATIONS = {
    "albert": {**COMMON, "embedding_size": 16},
    "bert": COMMON,
    "deberta-v2": {
        **COMMON,
        "relative_attention": True,
        "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
    },
    "distilbert": {
        "dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": 2,
        "hidden_dim": 64,
        "max_position_embeddings": POSITIONS,
    },
    "electra": {**COMMON, "embedding_size": 16},
    "gpt2": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_positions": POSITIONS},
    "llama": {**COMMON, **KEYS},
    "modernbert": {**COMMON, "num_hidden_layers": 3, "local_attention": 8},
    "mpnet": COMMON,
    "qwen2": {**COMMON, **KEYS},
    "roberta": {**COMMON, "type_vocab_size": 1},
    "xlm-roberta": {**COMMON, "type_vocab_size": 1},
}
WITH_TOKEN_TYPES = {"albert", "bert", "deberta-v2", "electra"}
SHAPES = [(1, 3), (2, 17), (5, 33), (3, 2)]


def test_every_supported_architecture_is_tested() -> None:
    assert set(CONFIGURATIONS) == set(ARCHITECTURES)


@pytest.fixture(scope="module", params=sorted(CONFIGURATIONS))
def classifier(request: pytest.FixtureRequest) -> TorchClassifier:
    torch.manual_seed(0)
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1)
    config = AutoConfig.for_model(
        request.param,
        vocab_size=WORDS,
        num_labels=CLASSES,
        pad_token_id=0,
        # The default range gives logits so small that a wrong result would pass for a right one.
        initializer_range=0.3,
        **special,
        **CONFIGURATIONS[request.param],
    )
    names = ["input_ids", "attention_mask"]
    names += ["token_type_ids"] if request.param in WITH_TOKEN_TYPES else []
    return TorchClassifier(AutoModelForSequenceClassification.from_config(config), names)


@pytest.fixture(scope="module")
def traced(classifier: TorchClassifier) -> ir.Model:
    return trace(classifier)


def test_defended_graph_equals_defended_torch_model(
    classifier: TorchClassifier, traced: ir.Model
) -> None:
    batches = [_batch(classifier, rows, tokens) for rows, tokens in SHAPES]
    fit = [_representations(classifier, _batch(classifier, 32, n)) for n in (5, 12, 20)]
    hidden = np.concatenate([f.hidden for f in fit])
    intervals = Intervals(*np.quantile(hidden, [0.2, 0.8], axis=0).astype(np.float32))
    detector = FusionDetector.fit(lambda: fit)
    model = traced.clone()
    token = classifier.representation
    rewrite(model, passes_of("detect-then-purify", intervals, detector, token, 0.0))
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto.SerializeToString())

    changed = 0
    for inputs in batches:
        seen = _representations(classifier, inputs)
        score = detector.score(seen)
        purified = classifier.activations(inputs, clip=intervals).logits
        # Between two scores, so that some rows of a batch are flagged and others are not.
        threshold = np.float32(np.sort(score)[: max(len(score) // 2, 1)].mean() + 1e-3)
        flagged = score > threshold
        expected = np.where(flagged[:, None], purified, seen.logits)
        logits, found_score, found_flagged = session.run(
            None, {**inputs, "threshold": np.array([threshold])}
        )
        np.testing.assert_allclose(logits, expected, atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(found_score, score, atol=1e-3, rtol=1e-3)
        np.testing.assert_array_equal(found_flagged, flagged)
        changed += int((np.abs(purified - seen.logits).max(axis=1) > 0.01).sum())
    # The comparison means something only where clipping changes the logits.
    assert changed > 0


def test_row_does_not_depend_on_its_batch_or_padding(
    classifier: TorchClassifier, traced: ir.Model
) -> None:
    intervals = Intervals(
        np.full((len(classifier.layers), WIDTH), -0.5, np.float32),
        np.full((len(classifier.layers), WIDTH), 0.5, np.float32),
    )
    fit = _representations(classifier, _batch(classifier, 32, 12))
    detector = FusionDetector.fit(lambda: [fit])
    model = traced.clone()
    rewrite(
        model,
        passes_of("detect-then-purify", intervals, detector, classifier.representation, 0.0),
    )
    session = _session(ir.to_proto(model).SerializeToString())
    batch = _batch(classifier, 4, 24)
    together = session.run(None, batch)
    for row, length in enumerate(batch["attention_mask"].sum(axis=1)):
        alone = session.run(
            None, {name: ids[row : row + 1, :length] for name, ids in batch.items()}
        )
        for of_batch, of_row in zip(together, alone, strict=True):
            np.testing.assert_allclose(of_batch[row : row + 1], of_row, atol=1e-3, rtol=1e-3)


def _batch(classifier: TorchClassifier, rows: int, tokens: int) -> dict[str, np.ndarray]:
    """Random ids, every row but the first shorter than the batch and padded on the right."""
    random = np.random.default_rng(rows * 100 + tokens)
    ids = random.integers(5, WORDS, (rows, tokens))
    mask = np.ones_like(ids)
    for row in range(1, rows):
        mask[row, random.integers(1, tokens + 1) :] = 0
    ids[mask == 0] = 0
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: arrays[name] for name in classifier.inputs}


def _representations(classifier: TorchClassifier, inputs: dict[str, np.ndarray]) -> Representations:
    run = classifier.activations(inputs)
    token = token_positions(inputs["attention_mask"], classifier.representation)
    hidden = np.stack([layer[np.arange(len(token)), token] for layer in run.hidden], axis=1)
    return Representations(hidden, run.logits)


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
