"""Each label is a question with two answers."""

import numpy as np
import pytest

from clampdown_calib.detectors import ExcessDetector, LabelExcessDetector
from clampdown_calib.evidence.answer import PRIORS, Answer
from clampdown_calib.evidence.label_answer import LabelAnswer
from clampdown_calib.evidence.label_probes import label_probes
from clampdown_calib.evidence.probes import Probes
from clampdown_calib.evidence.unseen import Unseen
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_calib.threshold import threshold_at

ROWS, LAYERS, WIDTH, LABELS = 200, 3, 6, 3


@pytest.fixture
def run():
    """Layers that know the labels, and a model that is mostly right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (ROWS, LABELS))
    pooled = rng.normal(size=(ROWS, LAYERS, WIDTH))
    pooled[:, :, :LABELS] += labels[:, None] * np.arange(1, LAYERS + 1)[:, None]
    logits = (2 * labels - 1) * 3 + rng.normal(size=(ROWS, LABELS)) * 2
    return CleanRun(
        pooled.astype(np.float32), pooled.astype(np.float32), logits.astype(np.float32), labels
    )


def two_classes(logits):
    return np.stack([np.zeros_like(logits), logits], axis=-1)


def test_one_label_is_a_classifier_of_two_classes(run):
    """The scores and the answers of a model of one logit are those of its two classes' logits."""
    label = 1
    single = CleanRun(run.hidden, run.pooled, run.logits[:, [label]], run.labels[:, [label]])
    both = CleanRun(run.hidden, run.pooled, two_classes(run.logits[:, label]), run.labels[:, label])
    of_one, unseen_of_one = LabelExcessDetector.cross_fit(single)
    of_two, unseen_of_two = ExcessDetector.cross_fit(both)
    np.testing.assert_allclose(unseen_of_one.scores, unseen_of_two.scores, atol=1e-4)
    np.testing.assert_allclose(of_one.score(single), of_two.score(both), atol=1e-4)

    threshold = threshold_at(unseen_of_two.scores, 0.1)
    one = LabelAnswer.fit(single, unseen_of_one, threshold)
    two = Answer.fit(both, unseen_of_two, threshold)
    assert one.log_odds == two.log_odds
    # The unit in which the factor is searched is another one.
    np.testing.assert_allclose(one.sharpness, two.sharpness, rtol=1e-4)
    answers = two.logits(unseen_of_two.probes, unseen_of_two.excess, both.logits)
    np.testing.assert_allclose(
        one.logits(unseen_of_one.probes, unseen_of_one.excess, single.logits)[:, 0],
        answers[:, 1] - answers[:, 0],
        atol=1e-3,
    )


def test_a_label_is_read_by_probes_of_its_own(run):
    probes, unseen = label_probes(run)
    for label in range(LABELS):
        both = CleanRun(
            run.hidden, run.pooled, two_classes(run.logits[:, label]), run.labels[:, label]
        )
        of_two, unseen_of_two = Probes.fit(both)
        weights = of_two.weights[..., 1] - of_two.weights[..., 0]
        np.testing.assert_allclose(probes.weights[..., label], weights, rtol=1e-3, atol=1e-4)
        margins = unseen_of_two[..., 1] - unseen_of_two[..., 0]
        np.testing.assert_allclose(unseen[..., label], margins, rtol=1e-3, atol=1e-3)


def test_all_labels_share_one_scale(run):
    """Slope, centre and spread by the definition, question by question."""
    detector, unseen = LabelExcessDetector.cross_fit(run)
    _, probes = label_probes(run)
    for k in range(LAYERS - 1):
        own, inner = [], []
        for row, label in np.ndindex(ROWS, LABELS):
            z, v = float(run.logits[row, label]), float(probes[row, k, label])
            own.append(abs(z))
            inner.append(v if z > 0 else -v)
        slope = np.std(own) / np.std(inner)
        excess = np.array(own) - slope * np.array(inner)
        assert detector.slope[k] == pytest.approx(slope, rel=1e-4)
        assert detector.centre[k] == pytest.approx(excess.mean(), rel=1e-4)
        assert detector.spread[k] == pytest.approx(excess.std(), rel=1e-4)
        standard = (excess - excess.mean()) / excess.std()
        np.testing.assert_allclose(unseen.excess[:, k].ravel(), standard, atol=1e-3)
    np.testing.assert_array_equal(unseen.scores, unseen.excess.max(axis=(1, 2)))


def test_without_labels_the_models_own_answers_are_the_truth(run):
    own = CleanRun(run.hidden, run.pooled, run.logits, None)
    told = CleanRun(run.hidden, run.pooled, run.logits, (run.logits > 0).astype(np.int64))
    np.testing.assert_array_equal(
        LabelExcessDetector.fit(own).probes.weights, LabelExcessDetector.fit(told).probes.weights
    )
    assert LabelAnswer.sharpness_of(own) == 1


@pytest.mark.parametrize("answer", [0, 1])
def test_a_label_that_all_clean_rows_have_or_none_is_finite(run, answer):
    labels = run.labels.copy()
    labels[:, 2] = answer
    detector, unseen = LabelExcessDetector.cross_fit(
        CleanRun(run.hidden, run.pooled, run.logits, labels)
    )
    assert np.isfinite(detector.score(run)).all()
    assert np.isfinite(unseen.excess).all()
    answers = LabelAnswer(np.float32([0]), np.float32([1])).logits(
        unseen.probes, unseen.excess, run.logits
    )
    assert np.isfinite(answers).all()


def test_the_prior_leaves_as_many_answers_right_as_the_model(run):
    _, unseen = LabelExcessDetector.cross_fit(run)
    # Probes that contradict every flagged answer.
    against = Unseen(-100 * np.sign(run.logits)[:, None].repeat(LAYERS - 1, axis=1), unseen.excess)
    threshold = threshold_at(unseen.scores, 0.1)
    least = np.log(PRIORS[0] / (1 - PRIORS[0]))
    assert LabelAnswer.fit(run, against, threshold).log_odds == pytest.approx(least)
    fitted = LabelAnswer.fit(run, unseen, threshold)
    answers = fitted.logits(unseen.probes, unseen.excess, run.logits) > 0
    flagged = unseen.scores > threshold
    now = np.where(flagged[:, None], answers, run.logits > 0) == run.labels
    if fitted.log_odds > least:
        assert now.sum() >= ((run.logits > 0) == run.labels).sum()


def test_a_forced_label_is_taken_back_and_the_others_stay(run):
    detector, unseen = LabelExcessDetector.cross_fit(run)
    fitted = LabelAnswer.fit(run, unseen, threshold_at(unseen.scores, 0.1))
    sure = (np.abs(run.logits) > 2).all(axis=1) & ((run.logits > 0) == run.labels).all(axis=1)
    absent = sure & (run.labels[:, 0] == 0)
    logits = run.logits[absent].copy()
    logits[:, 0] = 12
    probes = detector.probes.logits(run.pooled[absent])
    answers = fitted.logits(probes, detector.excess(logits, probes), logits) > 0
    assert absent.sum() > 20
    assert answers[:, 0].mean() < 0.2
    assert (answers[:, 1:] == run.labels[absent, 1:]).mean() > 0.95
