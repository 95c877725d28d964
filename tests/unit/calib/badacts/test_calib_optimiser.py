"""The intervals' optimisation: the published numbers, determinism, penalty and restarts."""

import dataclasses

import numpy as np
import pytest
import tiny_graph
import tiny_transformers
import torch

from clampdown_calib.badacts import optimiser as purification
from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.optimiser import CleanBatch, Optimiser, kept_share, published_start
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier

INPUTS = ("input_ids", "attention_mask")


@pytest.fixture(scope="module")
def classifier():
    return TorchClassifier(tiny_transformers.transformer(), INPUTS)


@pytest.fixture(scope="module")
def batches(classifier):
    made = []
    for seed in range(3):
        arrays = tiny_graph.batch(8, 6, seed=seed)
        arrays["input_ids"] %= 16
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.no_grad():
            made.append(CleanBatch(inputs, classifier.logits(inputs)))
    return made


@pytest.fixture(scope="module")
def start(classifier, batches):
    """The whole range of the clean activations: clipping into it changes nothing."""
    runs = [
        classifier.activations({k: v.numpy() for k, v in batch.inputs.items()}) for batch in batches
    ]
    layers = [np.concatenate([run.hidden[k].reshape(-1, 16) for run in runs]) for k in range(2)]
    return Intervals(np.stack([h.min(0) for h in layers]), np.stack([h.max(0) for h in layers]))


def fit(optimiser, classifier, batches, start, *, seed=0, report=lambda done, total: None):
    return optimiser.fit(classifier, batches, start, seed=seed, report=report)


PUBLISHED = Optimiser()
SHORT = Optimiser(learning_rate=0.05, epochs=3)
"""Of steps that are large enough to see."""


def test_published_numbers():
    assert dataclasses.asdict(PUBLISHED) == {
        "learning_rate": 0.01,
        "epochs": 50,
        "penalty": 0.1,
        "review_from": 15,
        "penalty_step": 1.2,
        "keep": 0.98,
        "accept": 0.97,
        "restarts": PUBLISHED.restarts,
    }


def test_published_start_is_u_and_m_of_one():
    first = published_start(2, 3)
    np.testing.assert_array_equal(first.upper, np.ones((2, 3), np.float32))
    np.testing.assert_allclose(np.log(first.widths), 1, rtol=1e-6)


def test_fit_follows_the_seed_and_nothing_else(classifier, batches, start):
    torch.manual_seed(1)
    first = fit(SHORT, classifier, batches, start)
    torch.manual_seed(2)
    again = fit(SHORT, classifier, batches, start)
    np.testing.assert_array_equal(first.lower, again.lower)
    np.testing.assert_array_equal(first.upper, again.upper)
    other = fit(SHORT, classifier, batches, start, seed=1)
    assert (other.lower != first.lower).any()
    assert (first.widths >= 0).all()


def test_weights_stay_as_they_are(classifier, batches, start):
    before = {name: value.clone() for name, value in classifier.model.state_dict().items()}
    fit(SHORT, classifier, batches, start)
    for name, value in classifier.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_penalty_shrinks_the_widths(classifier, batches, start):
    optimiser = dataclasses.replace(SHORT, accept=0)
    free, tight = (
        fit(dataclasses.replace(optimiser, penalty=c), classifier, batches, start) for c in (0, 10)
    )
    assert np.linalg.norm(tight.widths) < 0.9 * np.linalg.norm(start.widths)
    assert np.linalg.norm(tight.widths) < 0.9 * np.linalg.norm(free.widths)


def test_distance_brings_the_logits_back(classifier, batches, start):
    """From intervals so narrow that the logits are lost, without a penalty."""

    def distance(intervals):
        clip = torch.from_numpy(intervals.lower), torch.from_numpy(intervals.upper)
        with torch.no_grad(), classifier.clipping(*clip):
            return sum(((classifier.logits(b.inputs) - b.logits) ** 2).mean() for b in batches)

    middle, reach = (start.lower + start.upper) / 2, (start.upper - start.lower) / 10
    narrow = Intervals(middle - reach, middle + reach)
    optimiser = Optimiser(learning_rate=0.05, epochs=6, penalty=0, accept=0)
    assert distance(fit(optimiser, classifier, batches, narrow)) < 0.7 * distance(narrow)


def test_first_step_is_adams_on_the_published_loss(classifier, batches, start):
    optimiser = Optimiser(epochs=1, accept=0)
    found = fit(optimiser, classifier, batches[:1], start)
    upper = torch.tensor(start.upper, requires_grad=True)
    log_width = torch.tensor(np.log(start.widths), requires_grad=True)
    width = log_width.exp()
    with classifier.clipping(upper - width, upper):
        logits = classifier.logits(batches[0].inputs)
    loss = ((logits - batches[0].logits) ** 2).mean() + 0.1 * (width**2).sum().sqrt()
    loss.backward()
    # Adam's first step is the learning rate against the sign of the gradient.
    expected = torch.log(torch.tensor(start.widths)) - 0.01 * log_width.grad.sign()
    np.testing.assert_allclose(np.log(found.widths), expected.detach().numpy(), atol=1e-3)


def spied(monkeypatch, kept):
    """Replaces the share that survives; returns where each run's penalties are written to."""
    penalties = []
    monkeypatch.setattr(purification, "kept_share", lambda *_args: kept)
    run = Optimiser._run

    def spy(self, *args, penalty, **keys):
        penalties.append(penalty)
        return run(self, *args, penalty=penalty, **keys)

    monkeypatch.setattr(Optimiser, "_run", spy)
    return penalties


@pytest.mark.parametrize(("kept", "expected"), [(0.97, [0.1]), (0.969, [0.1, 0.05, 0.025, 0.0125])])
def test_run_that_loses_predictions_starts_again_with_half_the_penalty(
    classifier, batches, start, monkeypatch, kept, expected
):
    penalties = spied(monkeypatch, kept)
    fit(dataclasses.replace(PUBLISHED, epochs=1), classifier, batches[:1], start)
    assert penalties == pytest.approx(expected)


@pytest.mark.parametrize(("kept", "direction"), [(0.98, 1.2), (0.979, 1 / 1.2)])
def test_penalty_is_reviewed_as_published(monkeypatch, kept, direction):
    """At epochs 15, 20, … 45, seen by the loss of a model whose logits are constant."""
    norms, reviews = [], []
    monkeypatch.setattr(
        purification, "kept_share", lambda *_args: reviews.append(len(norms)) or kept
    )

    class Constant:
        def clipping(self, lower, upper):
            return torch.no_grad()

        def logits(self, inputs):
            return torch.zeros(1, 2)

    backward = torch.Tensor.backward

    def record(loss):
        # The distance is zero and the widths are held: the loss is the penalty alone.
        norms.append(loss.item())
        return backward(loss)

    monkeypatch.setattr(torch.Tensor, "backward", record)
    widths = Intervals(np.zeros((1, 2), np.float32), np.float32([[3, 4]]))
    held = dataclasses.replace(PUBLISHED, learning_rate=0.0)
    fit(held, Constant(), [CleanBatch({}, torch.zeros(1, 2))], widths)
    expected, penalty = [], 0.1
    for epoch in range(1, 51):
        expected.append(5 * penalty)
        if epoch in range(15, 50, 5):
            penalty *= direction
    assert norms == pytest.approx(expected, rel=1e-5)
    assert reviews == [15, 20, 25, 30, 35, 40, 45, 50]


def test_neuron_without_width_stays_finite(classifier, batches, start):
    upper = start.upper.copy()
    upper[:, 0] = start.lower[:, 0]
    fitted = fit(SHORT, classifier, batches, Intervals(start.lower, upper))
    assert np.isfinite(fitted.lower).all()
    # It may grow again; from a logarithm of minus infinity it never could.
    assert (fitted.widths[:, 0] > 0).all()
    assert np.isfinite(fitted.upper).all()


def test_progress_counts_epochs(classifier, batches, start):
    seen = []
    optimiser = dataclasses.replace(SHORT, accept=0)
    fit(optimiser, classifier, batches, start, report=lambda *args: seen.append(args))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_kept_share_counts_predictions(classifier, batches, start):
    assert kept_share(classifier, batches, start) == 1
    zero = Intervals(np.zeros((2, 16), np.float32), np.zeros((2, 16), np.float32))
    predicted = torch.cat([batch.logits.argmax(1) for batch in batches])
    share = kept_share(classifier, batches, zero)
    assert share in (pytest.approx((predicted == k).float().mean().item()) for k in (0, 1))
