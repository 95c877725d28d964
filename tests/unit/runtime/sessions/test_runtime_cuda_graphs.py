"""Batches of fixed shapes: the places and the padding, on the CPU, where nothing is captured."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from clampdown_runtime import DefendedClassifier, ProviderError
from clampdown_runtime.sessions.bound_run import BoundRun
from clampdown_runtime.sessions.cuda_graphs import SHORTEST, CudaGraphs
from clampdown_runtime.sessions.defended_graph import DefendedGraph
from clampdown_runtime.sessions.session import create_session

ROWS = [[2, 4, 3], [2, 7, 6, 3], [2, 5, 5, 5, 5, 5, 3], [2, 9, 3], [2, 8, 4, 6, 3]]


def feed(ids):
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }


@pytest.fixture
def session(bundle_path):
    return create_session(bundle_path / "onnx" / "model.onnx")


@pytest.fixture
def padded(classifier, session):
    """The classifier of a bundle whose batches are padded to fixed shapes."""
    graphs = CudaGraphs(session, classifier.manifest, device="cpu")
    graph = DefendedGraph(classifier.bundle, session, graphs=graphs)
    return DefendedClassifier(classifier.bundle, classifier.tokenizer, graph)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
@pytest.mark.parametrize("threshold", [None, -1.0, 1e9])
def test_outputs_are_those_of_plain_runs(classifier, padded, batch_size, threshold):
    plain = classifier.run_ids(ROWS, batch_size=batch_size, threshold=threshold)
    found = padded.run_ids(ROWS, batch_size=batch_size, threshold=threshold)
    np.testing.assert_allclose(found.logits, plain.logits, atol=1e-6)
    np.testing.assert_allclose(found.anomaly_score, plain.anomaly_score, atol=1e-6)
    np.testing.assert_array_equal(found.flagged, plain.flagged)


def test_shapes_are_few_and_used_again(classifier, session):
    manifest = dataclasses.replace(classifier.manifest, max_length=64)
    graphs = CudaGraphs(session, manifest, device="cpu")
    for rows, tokens in [(1, 3), (1, SHORTEST), (3, 20), (4, 32), (2, 60), (2, 64), (1, 5)]:
        graphs.run(feed(np.full((rows, tokens), 4)))
    assert graphs.shapes == [(1, SHORTEST), (4, 32), (2, 64)]


def test_no_shape_is_longer_than_the_model_allows(classifier, session):
    manifest = dataclasses.replace(classifier.manifest, max_length=50)
    graphs = CudaGraphs(session, manifest, device="cpu")
    graphs.run(feed(np.full((1, 40), 4)))
    assert graphs.shapes == [(1, 50)]


def test_tokens_are_padded_on_the_models_side(classifier, session):
    padding = dataclasses.replace(classifier.manifest.padding, side="left", token_id=1)
    graphs = CudaGraphs(
        session, dataclasses.replace(classifier.manifest, padding=padding), device="cpu"
    )
    seen = []
    graphs._runs[2, 8] = type("Run", (), {"of": lambda _, inputs: seen.append(inputs) or {}})()
    assert graphs.run(feed(np.array([[2, 4, 3], [2, 7, 3]]))) == []
    np.testing.assert_array_equal(seen[0]["input_ids"], [[1] * 5 + [2, 4, 3], [1] * 5 + [2, 7, 3]])
    np.testing.assert_array_equal(seen[0]["attention_mask"], [[0] * 5 + [1] * 3] * 2)


def test_threads_share_the_places_without_mixing_rows(classifier, padded):
    plain = classifier.run_ids(ROWS, batch_size=1)

    def score(row: int) -> float:
        return float(padded.run_ids([ROWS[row]]).anomaly_score[0])

    numbers = list(range(len(ROWS))) * 40
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(score, numbers))
    np.testing.assert_allclose(found, plain.anomaly_score[numbers], atol=1e-6)


def test_bound_run_reads_what_was_put_last(classifier, session):
    first, second = np.array([[2, 4, 3]]), np.array([[2, 9, 3]])
    threshold = {"threshold": np.array([2.0], np.float32)}
    run = BoundRun(session, feed(first) | threshold, classes=2, device="cpu")
    for ids in (first, second, first):
        found = run.of(feed(ids) | threshold)
        expected = classifier.run_ids([ids[0].tolist()])
        np.testing.assert_allclose(found["anomaly_score"], expected.anomaly_score, atol=1e-6)
        np.testing.assert_array_equal(found["flagged"], expected.flagged)


def test_cuda_graphs_are_refused_on_another_provider(bundle_path):
    with pytest.raises(ProviderError, match=r"CUDA graphs.*expected the provider 'cuda'"):
        DefendedClassifier.load(bundle_path, cuda_graphs=True)
