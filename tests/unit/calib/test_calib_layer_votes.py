"""The votes equal a pool of scikit-learn's discriminants, and no layer has more than one."""

import numpy as np
import pytest
import tiny_models
from layered_samples import CLASSES, ODD, cross_fitted, discriminants, odd_samples, samples
from scipy.special import log_softmax, logsumexp, softmax

from clampdown_calib.layer_votes import SHARPNESS, LayerVotes, voting_layers
from clampdown_calib.margins import lead

VOTING = {1: [0], 2: [0], 3: [0, 1], 6: [0, 1, 2, 3], 12: list(range(8))}
"""The layers that vote of so many."""


def said(pooled):
    """Something that words may say of the classes at the layers that vote."""
    layers = voting_layers(pooled.shape[1]).stop
    random = np.random.default_rng(1)
    return random.normal(size=(layers, pooled.shape[2], CLASSES)).astype(np.float32)


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
    found = LayerVotes.fit(pooled, logits, labels, None).logits(unseen, logits)
    np.testing.assert_allclose(relative(found), relative(expected), rtol=1e-3, atol=2e-3)
    assert found.dtype == np.float32


def test_words_share_out_what_the_votes_leave_to_other_classes():
    pooled, logits, labels = samples()
    words = said(pooled)
    fitted = LayerVotes.fit(pooled, logits, labels, words)
    found = fitted.logits(pooled, logits)
    votes = LayerVotes.fit(pooled, logits, labels, None).logits(pooled, logits)
    predicted = logits.argmax(axis=1)
    others = np.arange(CLASSES) != predicted[:, None]
    # The predicted class, and what the others have together, are the rows' to say.
    np.testing.assert_array_equal(found[~others], votes[~others])
    shape = (len(pooled), CLASSES - 1)
    by_votes, by_words = votes[others].reshape(shape), found[others].reshape(shape)
    np.testing.assert_allclose(
        logsumexp(by_words, axis=1), logsumexp(by_votes, axis=1), rtol=1e-4, atol=1e-4
    )
    # How it is shared out is the words'.
    opinions = np.einsum("njh,jhc->njc", pooled[:, :4].astype(np.float64), words)
    opinions -= np.mean([opinions[labels == c].mean(axis=0) for c in range(CLASSES)], axis=0)
    own = lead(logits, predicted).std()
    sharp = SHARPNESS * own / lead(opinions.mean(axis=1), predicted).std()
    pooled_votes = fitted.scale * np.log(softmax(opinions * sharp, axis=2).mean(axis=1))
    expected = pooled_votes[others].reshape(shape)
    np.testing.assert_allclose(relative(by_words), relative(expected), rtol=1e-3, atol=2e-3)
    assert np.abs(relative(by_words) - relative(by_votes)).max() > 0.1
    assert found.dtype == np.float32


@pytest.mark.parametrize("scale", [0.01, 30])
def test_scale_of_the_words_says_nothing(scale):
    pooled, logits, labels = samples()
    words = said(pooled)
    one, other = (
        LayerVotes.fit(pooled, logits, labels, given).logits(pooled, logits)
        for given in (words, words * np.float32(scale))
    )
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_layer_that_is_surer_than_all_others_has_one_vote():
    pooled, logits, labels = samples()
    votes = LayerVotes.fit(pooled, logits, labels, None)
    row = pooled[:1].copy()
    # The last layer that votes is driven towards one class, however far.
    push = votes.weights[3, :, 2] - votes.weights[3].mean(axis=1)
    driven = []
    for force in (1e2, 1e4):
        row[0, 3] = pooled[0, 3] + force * push / np.linalg.norm(push)
        driven.append(votes.logits(row, logits[:1]))
    np.testing.assert_allclose(relative(driven[0]), relative(driven[1]), atol=1e-3)
    # Of the other classes it says nothing, and the three layers that are left decide.
    opinions = np.einsum("jh,jhc->jc", row[0, :3], votes.weights[:3]) + votes.bias[:3]
    rest = votes.scale * np.log(softmax(opinions, axis=1).sum(axis=0))
    np.testing.assert_allclose(np.diff(driven[1][0, :2]), np.diff(rest[:2]), atol=1e-3)


@pytest.mark.parametrize("case", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_rows_give_finite_logits(case):
    pooled, logits, labels = odd_samples(case)
    votes = LayerVotes.fit(pooled, logits, labels, said(pooled))
    assert np.isfinite(votes.logits(pooled, logits)).all()


@pytest.mark.parametrize("layers", VOTING)
@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("words", [True, False])
def test_nodes_equal_the_numpy_form(layers, rows, words):
    pooled, logits, labels = samples(layers)
    votes = LayerVotes.fit(pooled, logits, labels, said(pooled) if words else None)
    # Far from the clean rows a vote's logarithm is large.
    given = pooled[:rows] * np.float32(20)
    found = tiny_models.run_nodes(
        lambda tape, *values: [votes.emit(tape, *values, layers)],
        *(given, logits[:rows]),
        shape=(CLASSES,),
    )
    expected = votes.logits(given, logits[:rows])
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-3)
