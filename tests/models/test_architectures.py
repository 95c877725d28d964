"""Every supported architecture, end to end on a small random configuration.

The reference is the torch model itself: its layers are clipped by hooks, and probes, score and
answer are computed in NumPy, so that neither the graph nor the passes take part in what is
expected.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from clampdown_calib import audit_model
from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import Detector, ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.graphs.tracing.trace import trace
from clampdown_calib.models.architectures import ARCHITECTURES
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_exporter.passes.pipeline import passes_of, rewrite

# Of three layers two are probed, and ModernBERT's attention is global in one and local in two.
WIDTH, LAYERS, CLASSES, WORDS, POSITIONS = 32, 3, 3, 100, 66
TOLERANCE = 1e-4
HIDDEN = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
COMMON = {**HIDDEN, "intermediate_size": 64, "max_position_embeddings": POSITIONS}
KEYS = {"num_key_value_heads": 1}
CONFIGURATIONS = {
    "albert": {**COMMON, "embedding_size": 16},
    "bert": COMMON,
    "bloom": {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 2},
    "camembert": {**COMMON, "type_vocab_size": 1},
    "deberta": {
        **COMMON,
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "position_biased_input": False,
        "pooler_hidden_size": WIDTH,
    },
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
    "gemma2": {**COMMON, **KEYS, "head_dim": 16, "sliding_window": 8},
    "gemma3_text": {**COMMON, **KEYS, "head_dim": 16, "sliding_window": 8},
    "gpt2": {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_positions": POSITIONS},
    "gpt_neox": COMMON,
    "llama": {**COMMON, **KEYS},
    "mistral": {**COMMON, **KEYS, "sliding_window": 8},
    "modernbert": {**COMMON, "local_attention": 8},
    "mpnet": COMMON,
    "opt": {
        **HIDDEN,
        "ffn_dim": 64,
        "max_position_embeddings": POSITIONS,
        "word_embed_proj_dim": WIDTH,
    },
    "qwen2": {**COMMON, **KEYS},
    "qwen3": {**COMMON, **KEYS, "head_dim": 16},
    "roberta": {**COMMON, "type_vocab_size": 1},
    "roformer": {**COMMON, "embedding_size": 16},
    "xlm-roberta": {**COMMON, "type_vocab_size": 1},
}
WITH_TOKEN_TYPES = {"albert", "bert", "camembert", "deberta", "deberta-v2", "electra", "roformer"}
SHAPES = [(1, 3), (2, 17), (5, 33), (3, 2)]
WAYS = ["probe", "badacts"]
ANSWER = Answer(log_odds=np.float32([0.5]), sharpness=np.float32([0.7]))


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
    clean = _clean(classifier)
    bounds = np.quantile(clean.hidden, [0.2, 0.8], axis=0).astype(np.float32)
    intervals = Intervals(*bounds)
    detector = _detector(way, clean)
    proto = _defended(classifier, traced, detector, ANSWER if way == "probe" else intervals)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto)

    changed = 0
    for inputs in (_batch(classifier, rows, tokens) for rows, tokens in SHAPES):
        run = _run(classifier, inputs)
        score = detector.score(run)
        if isinstance(detector, ExcessDetector):
            probes = detector.probes.logits(run.pooled)
            assert probes.shape == (len(score), LAYERS - 1, CLASSES)
            answer = ANSWER.logits(probes, detector.excess(run.logits, probes), run.logits)
        else:
            answer = classifier.activations(inputs, clip=intervals.bounds).logits
        # Between two scores, so that some rows of a batch are flagged and others are not.
        threshold = np.float32(np.sort(score)[: max(len(score) // 2, 1)].mean() + 1e-3)
        flagged = score > threshold
        expected = np.where(flagged[:, None], answer, run.logits)
        logits, found_score, found_flagged, *own = session.run(
            None, {**inputs, "threshold": np.array([threshold])}
        )
        assert len(own) == (way == "probe")
        for raw in own:
            np.testing.assert_allclose(raw, run.logits, atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(logits, expected, atol=TOLERANCE, rtol=TOLERANCE)
        np.testing.assert_allclose(found_score, score, atol=1e-3, rtol=1e-3)
        np.testing.assert_array_equal(found_flagged, flagged)
        changed += int((np.abs(expected - run.logits).max(axis=1) > 0.01).sum())
    # The comparison means something only where purification changes the logits.
    assert changed > 0


def test_traced_graph_has_nothing_to_review(
    classifier: TorchClassifier, traced: ir.Model, tmp_path: Path
) -> None:
    config = classifier.model.config
    # MPNet's positions know no other padding.
    padding = 1 if config.model_type == "mpnet" else config.pad_token_id
    (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": padding}))
    ir.save(traced, tmp_path / "model.onnx")
    found = audit_model(tmp_path / "model.onnx")
    assert {finding.kind for finding in found.findings} <= {"token-logic"}
    assert not found.review


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
    clean = _clean(classifier)
    bound = np.full((len(classifier.layers), WIDTH), 0.5, np.float32)
    answer = ANSWER if way == "probe" else Intervals(-bound, bound)
    session = _session(_defended(classifier, traced, _detector(way, clean), answer))
    batch = _batch(classifier, 4, 24)
    together = session.run(None, batch)
    for row, length in enumerate(batch["attention_mask"].sum(axis=1)):
        alone = session.run(
            None, {name: ids[row : row + 1, :length] for name, ids in batch.items()}
        )
        for of_batch, of_row in zip(together, alone, strict=True):
            np.testing.assert_allclose(of_batch[row : row + 1], of_row, atol=1e-3, rtol=1e-3)


def _detector(way: str, clean: CleanRun) -> Detector:
    """Of the published one a third of the reach, since no random row leaves the whole of it."""
    if way == "probe":
        return ExcessDetector.fit(clean)
    fitted = NasDetector.fit(clean)
    return NasDetector(fitted.mean, fitted.reach / 3)


def _defended(
    classifier: TorchClassifier,
    traced: ir.Model,
    detector: Detector,
    answer: Answer | Intervals,
) -> onnx.ModelProto:
    """The graph in the mode that has every part, with a threshold of 0."""
    model, token = traced.clone(), classifier.representation
    rewrite(model, passes_of("detect-then-purify", detector, answer, token, threshold=0.0))
    return ir.to_proto(model)


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


def _run(classifier: TorchClassifier, inputs: dict[str, np.ndarray]) -> CleanRun:
    mask = inputs["attention_mask"]
    return CleanRun.of_batch(classifier.activations(inputs), mask, classifier.representation)


def _clean(classifier: TorchClassifier) -> CleanRun:
    """What a detector is fitted on."""
    runs = [_run(classifier, _batch(classifier, 32, tokens)) for tokens in (5, 12, 20)]
    arrays = zip(*((run.hidden, run.pooled, run.logits) for run in runs), strict=True)
    return CleanRun(*map(np.concatenate, arrays), None)


def _session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = graph.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
