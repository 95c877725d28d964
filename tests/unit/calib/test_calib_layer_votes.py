"""The votes equal a pool of scikit-learn's discriminants, and no layer has more than one."""

import numpy as np
import pytest
import tiny_models
from layered_samples import CLASSES, ODD, cross_fitted, discriminants, odd_samples, samples
from scipy.special import log_softmax, softmax

from clampdown_calib.layer_votes import SHARPNESS, LayerVotes, voting_layers
from clampdown_calib.margins import lead

VOTING = {1: [0], 2: [0], 3: [0, 1], 6: [0, 1, 2, 3], 12: list(range(8))}
"""The layers that vote of so many."""


def relative(logits):
    """Without what is common to a row's classes, which decides nothing."""
    return log_softmax(logits, axis=1)


@pytest.mark.parametrize("layers", VOTING)
def test_layers_that_vote(layers):
    assert list(range(layers))[voting_layers(layers)] == VOTING[layers]


@pytest.mark.parametrize("layers", VOTING)
def test_votes_equal_a_linear_opinion_pool_of_scikit_learn(layers):
    pooled, logits, labels = samples(layers)
    unseen = pooled[::-1] * np.float32(1.1)
    predicted, own = logits.argmax(axis=1), lead(logits, logits.argmax(axis=1)).std()
    crossed = cross_fitted(pooled, labels, VOTING[layers])
    sharp = SHARPNESS * own / lead(crossed.mean(axis=1), predicted).std()

    def log_mean_vote(opinions):
        return np.log(softmax(opinions * sharp, axis=2).mean(axis=1))

    scale = own / lead(log_mean_vote(crossed), predicted).std()
    expected = scale * log_mean_vote(discriminants(pooled, labels, unseen, VOTING[layers]))
    found = LayerVotes.fit(pooled, logits, labels).logits(unseen)
    np.testing.assert_allclose(relative(found), relative(expected), rtol=1e-3, atol=2e-3)
    assert found.dtype == np.float32


def test_layer_that_is_surer_than_all_others_has_one_vote():
    pooled, logits, labels = samples()
    votes = LayerVotes.fit(pooled, logits, labels)
    row = pooled[:1].copy()
    # The last layer that votes is driven towards one class, however far.
    push = votes.weights[3, :, 2] - votes.weights[3].mean(axis=1)
    driven = []
    for force in (1e2, 1e4):
        row[0, 3] = pooled[0, 3] + force * push / np.linalg.norm(push)
        driven.append(votes.logits(row))
    np.testing.assert_allclose(relative(driven[0]), relative(driven[1]), atol=1e-3)
    # Of the other classes it says nothing, and the three layers that are left decide.
    opinions = np.einsum("jh,jhc->jc", row[0, :3], votes.weights[:3]) + votes.bias[:3]
    rest = votes.scale * np.log(softmax(opinions, axis=1).sum(axis=0))
    np.testing.assert_allclose(np.diff(driven[1][0, :2]), np.diff(rest[:2]), atol=1e-3)


@pytest.mark.parametrize("case", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_rows_give_finite_logits(case):
    pooled, logits, labels = odd_samples(case)
    assert np.isfinite(LayerVotes.fit(pooled, logits, labels).logits(pooled)).all()


@pytest.mark.parametrize("layers", VOTING)
@pytest.mark.parametrize("rows", [1, 20])
def test_nodes_equal_the_numpy_form(layers, rows):
    pooled, logits, labels = samples(layers)
    votes = LayerVotes.fit(pooled, logits, labels)
    # Far from the clean rows a vote's logarithm is large.
    given = pooled[:rows] * np.float32(20)
    found = tiny_models.run_nodes(
        lambda tape, value: [votes.emit(tape, value, layers)], given, shape=(CLASSES,)
    )
    np.testing.assert_allclose(found[0], votes.logits(given), rtol=1e-4, atol=1e-3)
