"""Every supported architecture, end to end on a small random configuration.

The reference is the torch model itself: its layers are clipped by hooks, and readout and score are
computed in NumPy, so that neither the graph nor the passes take part in what is expected.
"""

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from clampdown_calib.activations import CleanRun, token_means, token_states
from clampdown_calib.architectures import ARCHITECTURES, Representation
from clampdown_calib.detectors import FusionDetector, Representations
from clampdown_calib.intervals import Intervals
from clampdown_calib.layer_votes import LayerVotes, voting_layers
from clampdown_calib.purified_logits import Suspicion, purified
from clampdown_calib.readout import Readout
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_calib.words import WordRun
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
WAYS = ["votes", "clip"]


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


@pytest.mark.parametrize("way", WAYS)
def test_defended_graph_equals_defended_torch_model(
    classifier: TorchClassifier, traced: ir.Model, way: str
) -> None:
    readout, clean = _clean(classifier)
    bounds = np.quantile(clean.hidden, [0.2, 0.8], axis=0).astype(np.float32)
    intervals = Intervals(*bounds) if way == "clip" else None
    votes = _votes(classifier, clean)
    purifier = intervals or votes
    detector = FusionDetector.fit(clean)
    suspicion = Suspicion(float(np.median(detector.score(clean))), 1.0, 0.1)
    model = traced.clone()
    token = classifier.representation
    rewrite(model, _passes(readout, purifier, detector, token, suspicion))
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto.SerializeToString())

    changed = 0
    for inputs in (_batch(classifier, rows, tokens) for rows, tokens in SHAPES):
        run = classifier.activations(inputs)
        seen = CleanRun.of_batch(run, inputs["attention_mask"], token).samples(readout)
        score = detector.score(seen)
        if intervals is None:
            answer = purified(votes.logits(seen.pooled, seen.logits), seen.logits, score, suspicion)
        else:
            answer = classifier.activations(inputs, clip=intervals).logits
        # Between two scores, so that some rows of a batch are flagged and others are not.
        threshold = np.float32(np.sort(score)[: max(len(score) // 2, 1)].mean() + 1e-3)
        flagged = score > threshold
        expected = np.where(flagged[:, None], answer, seen.logits)
        logits, found_score, found_flagged = session.run(
            None, {**inputs, "threshold": np.array([threshold])}
        )
        np.testing.assert_allclose(logits, expected, atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(found_score, score, atol=1e-3, rtol=1e-3)
        np.testing.assert_array_equal(found_flagged, flagged)
        changed += int((np.abs(answer - seen.logits).max(axis=1) > 0.01).sum())
    # The comparison means something only where purification changes the logits.
    assert changed > 0


def test_traced_attention_has_no_detours(classifier: TorchClassifier, traced: ir.Model) -> None:
    if classifier.model.config.model_type not in ("bert", "distilbert", "roberta"):
        pytest.skip("another attention")
    kinds = Counter(node.op_type for node in traced.graph)
    # Queries, keys, values and what comes of them.
    assert kinds["Transpose"] == 4 * LAYERS
    assert kinds["IsNaN"] == 0


@pytest.mark.parametrize("way", WAYS)
def test_row_does_not_depend_on_its_batch_or_padding(
    classifier: TorchClassifier, traced: ir.Model, way: str
) -> None:
    bound = np.full((len(classifier.layers), WIDTH), 0.5, np.float32)
    readout, clean = _clean(classifier)
    purifier = Intervals(-bound, bound) if way == "clip" else _votes(classifier, clean)
    detector = FusionDetector.fit(clean)
    model = traced.clone()
    token = classifier.representation
    rewrite(model, _passes(readout, purifier, detector, token, Suspicion(0.0, 1.0, 0.1)))
    session = _session(ir.to_proto(model).SerializeToString())
    batch = _batch(classifier, 4, 24)
    together = session.run(None, batch)
    for row, length in enumerate(batch["attention_mask"].sum(axis=1)):
        alone = session.run(
            None, {name: ids[row : row + 1, :length] for name, ids in batch.items()}
        )
        for of_batch, of_row in zip(together, alone, strict=True):
            np.testing.assert_allclose(of_batch[row : row + 1], of_row, atol=1e-3, rtol=1e-3)


def _passes(
    readout: Readout,
    purifier: LayerVotes | Intervals,
    detector: FusionDetector,
    token: Representation,
    suspicion: Suspicion,
) -> tuple[ir.passes.PassBase, ...]:
    return passes_of(
        "detect-then-purify",
        readout,
        purifier,
        detector,
        token,
        suspicion=suspicion,
        threshold=0.0,
    )


def _batch(classifier: TorchClassifier, rows: int, tokens: int) -> dict[str, np.ndarray]:
    """Random ids, every row but the first shorter than the batch and padded on the right."""
    random = np.random.default_rng(rows * 100 + tokens)
    ids = random.integers(5, WORDS, (rows, tokens))
    mask = np.ones_like(ids)
    for row in range(1, rows):
        mask[row, random.integers(1, tokens + 1) :] = 0
    ids[mask == 0] = 0
    return _inputs(classifier, ids, mask)


def _inputs(
    classifier: TorchClassifier, ids: np.ndarray, mask: np.ndarray
) -> dict[str, np.ndarray]:
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: arrays[name] for name in classifier.inputs}


def _votes(classifier: TorchClassifier, clean: Representations) -> LayerVotes:
    """Of rows and words: three classes leave more than one beside the predicted one."""
    ids = np.array([[1, word, 1] for word in range(5, WORDS)])
    run = classifier.activations(_inputs(classifier, ids, np.ones_like(ids)))
    voting = run.hidden[voting_layers(len(run.hidden))]
    words = WordRun(np.stack([layer[:, 1] for layer in voting], axis=1), run.logits)
    classes = clean.logits.argmax(axis=1)
    return LayerVotes.fit(clean.pooled, clean.logits, classes, words.directions())


def _clean(classifier: TorchClassifier) -> tuple[Readout, Representations]:
    """The readout, and what a detector is fitted on."""
    token = classifier.representation
    batches = [_batch(classifier, 32, tokens) for tokens in (5, 12, 20)]
    runs = [(classifier.activations(inputs), inputs["attention_mask"]) for inputs in batches]
    hidden = np.concatenate([token_states(run, mask, token) for run, mask in runs])
    pooled = np.concatenate([token_means(run, mask) for run, mask in runs])
    logits = np.concatenate([run.logits for run, _ in runs])
    readout, inner = Readout.fit(pooled, logits, logits.argmax(axis=1))
    return readout, Representations(hidden, pooled, logits, inner)


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
