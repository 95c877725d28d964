"""The answer equals a mixture worked out in float64, and trusts probes as far as clean rows do."""

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph
from layered_samples import samples
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.evidence.answer import PRIORS, STEPS, Answer
from clampdown_calib.evidence.margins import emit_prediction
from clampdown_calib.evidence.unseen import Unseen
from clampdown_calib.rows.clean_run import CleanRun

ROWS, LAYERS = 40, 5


def given(classes: int = 3, layers: int = LAYERS, *, rows: int = ROWS):
    """Probes' logits, an excess about as often above as below, and the model's logits."""
    random = np.random.default_rng(classes)
    probes = random.normal(size=(rows, layers, classes)) * 2
    excess = random.normal(size=(rows, layers)) * 3
    own = random.normal(size=(rows, classes)) * 4
    return tuple(array.astype(np.float32) for array in (probes, excess, own))


def answer(log_odds: float = -1.5, sharpness: float = 0.6) -> Answer:
    return Answer(np.float32([log_odds]), np.float32([sharpness]))


def mixture(fitted: Answer, probes, excess, own):
    """The chances of every class, row by row and layer by layer in float64."""
    log_odds, sharpness = float(fitted.log_odds[0]), float(fitted.sharpness[0])
    found = []
    for v, e, z in zip(*(a.astype(np.float64) for a in (probes, excess, own)), strict=True):
        chance = softmax(sharpness * z)
        for of_layer, over in zip(v, e, strict=True):
            forced = of_layer.copy()
            forced[z.argmax()] += np.log(0.5)
            odds = np.exp(np.pi / np.sqrt(3) * over + log_odds) / len(e)
            chance = chance + odds * softmax(forced)
        found.append(chance / chance.sum())
    return np.array(found)


@pytest.mark.parametrize("layers", [1, 5])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_answer_equals_the_mixture_in_float64(classes, layers):
    rows = given(classes, layers)
    found = answer().logits(*rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.log(mixture(answer(), *rows)), rtol=1e-4, atol=1e-4)


def test_without_odds_it_is_the_model_and_with_all_odds_the_probes_with_less_of_the_prediction():
    probes, excess, own = given()
    meant = answer(-200).logits(probes, excess, own)
    np.testing.assert_allclose(meant, log_softmax(own * 0.6, axis=1), rtol=1e-4, atol=1e-4)
    excess[:] = 0
    excess[:, 2] = 60
    forced = probes[:, 2].astype(np.float64)
    forced[np.arange(ROWS), own.argmax(axis=1)] -= np.log(2)
    found = answer().logits(probes, excess, own)
    np.testing.assert_allclose(found, log_softmax(forced, axis=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layers", [1, 5])
@pytest.mark.parametrize("classes", [2, 3])
def test_nodes_equal_numpy_whatever_single_numbers_are(classes, layers):
    probes, excess, own = given(classes, layers)
    excess[0, 0], excess[1, -1] = np.nan, np.inf
    excess[3] = 300
    own[4, 0], own[5, 1], own[6, 0] = np.nan, np.inf, -np.inf
    probes[7, 0, 1], probes[8, -1, 0] = np.nan, np.inf
    own[9, :2] = own[9].max() + 1
    own[10] = 0

    def emit(tape: ir.tape.Tape, every: ir.Value, excess: ir.Value) -> list[ir.Value]:
        last = tape.initializer(ir.tensor(np.array([layers])), "last")
        own = tape.op("Gather", [every, last], {"axis": 1})
        chosen = emit_prediction(tape, own, classes)
        return [answer().emit(tape, every, chosen, excess, layers)]

    every = np.concatenate([probes, own[:, None]], axis=1)
    [found] = tiny_graph.run_nodes(emit, every, excess, shape=(classes,))
    expected = answer().logits(probes, excess, own)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    for row in (0, 1, 4, 5, 7, 8):
        assert np.isnan(found[row]).all()
    for row in (3, 6, 9, 10):
        assert np.isfinite(found[row]).all()


# --- the prior ----------------------------------------------------------------------------------

GRID = np.linspace(*(np.log(p / (1 - p)) for p in PRIORS), STEPS)
NEVER = 1000


def sharpness_of(logits, labels):
    """One over the temperature of the model's logits, found as a zero of the derivative."""
    if labels is None:
        return 1.0

    def slope(factor):
        expected = (softmax(factor * logits, axis=1) * logits).sum(axis=1)
        return (expected - logits[np.arange(len(labels)), labels]).mean()

    return brentq(slope, 1e-4, 1e2, rtol=1e-9)


def clean_rows(turns, labels=None):
    """Rows that the model gives class 0, and whose answer turns to class 1 at a prior of the grid.

    Args:
        turns: of every row the number of the prior in the grid; ``NEVER`` for none.
        labels: of the rows.
    """
    count = len(turns)
    own = np.tile(np.float32([0.5, 0]), (count, 1))
    probes = np.tile(np.float32([0, 8]), (count, 1, 1))
    meant = softmax(own[0] * sharpness_of(own.astype(np.float64), labels))
    forced = softmax([np.log(0.5), 8])
    balance = np.log((meant[0] - meant[1]) / (forced[1] - forced[0]))
    # Half a step before the prior, and less the later it is.
    needed = GRID[0] + (np.array(turns) - 0.5) * (GRID[1] - GRID[0])
    excess = (balance - needed) * np.sqrt(3) / np.pi
    none = np.zeros((count, 1, 1), np.float32)
    run = CleanRun(none, none, own, None if labels is None else np.array(labels))
    return run, Unseen(probes, excess[:, None].astype(np.float32))


def lost(run, unseen, threshold, log_odds, sharpness):
    """Rows that the model alone gets right less those that the answer alone does."""
    truth = run.logits.argmax(axis=1) if run.labels is None else run.labels
    net = 0
    for row, label in enumerate(truth):
        one = slice(row, row + 1)
        if unseen.excess[row].max() > threshold:
            fitted = answer(log_odds, sharpness)
            chances = mixture(fitted, unseen.probes[one], unseen.excess[one], run.logits[one])
            net += int(run.logits[row].argmax() == label) - int(chances[0].argmax() == label)
    return net


def largest_allowed(run, unseen, threshold):
    """The last prior of the grid before the first at which rows are lost; the least where none."""
    sharpness = sharpness_of(run.logits.astype(np.float64), run.labels)
    chosen = GRID[0]
    for log_odds in GRID:
        if lost(run, unseen, threshold, log_odds, sharpness) > 0:
            break
        chosen = log_odds
    return chosen, sharpness


# Of every case the turns of rows of class 0, which are lost, of rows of class 1, which are won,
# and the number of the prior that they allow.
@pytest.mark.parametrize(
    ("losses", "gains", "expected"),
    [
        ([], [4, 5], STEPS - 1),
        ([12], [], 11),
        ([0], [], 0),
        ([1, 1], [1], 0),
        ([7, 12], [3], 11),
        ([7, 7], [3], 6),
        # Later gains do not make up for what smaller priors lose.
        ([7, 7], [3, 9, 9, 9], 6),
        ([7], [7], STEPS - 1),
        ([STEPS - 1], [], STEPS - 2),
    ],
)
def test_the_prior_is_the_largest_before_rows_are_lost_in_net(losses, gains, expected):
    labels = [0] * len(losses) + [1] * len(gains) + [0] * 80 + [1] * 20
    run, unseen = clean_rows([*losses, *gains, *[NEVER] * 100], labels)
    threshold = float(unseen.scores.min())
    found = Answer.fit(run, unseen, threshold)
    prior, sharpness = largest_allowed(run, unseen, threshold)
    assert prior == GRID[expected]
    assert found.log_odds == pytest.approx(prior, abs=1e-6)
    assert found.sharpness == pytest.approx(sharpness, rel=1e-3)
    assert sharpness > 2
    assert {name: value.tolist() for name, value in found.tensors().items()} == {
        "log_odds": found.log_odds.tolist(),
        "sharpness": found.sharpness.tolist(),
    }


def test_without_labels_the_models_predictions_are_right_and_its_logits_as_sharp_as_they_are():
    run, unseen = clean_rows([9, 14, *[NEVER] * 50])
    found = Answer.fit(run, unseen, float(unseen.scores.min()))
    assert found.sharpness == 1
    assert found.log_odds == pytest.approx(GRID[8], abs=1e-6)
    assert largest_allowed(run, unseen, -1e9)[0] == GRID[8]


def test_rows_that_are_not_flagged_do_not_count():
    run, unseen = clean_rows([4, 9, 14, *[NEVER] * 50], [1, 0, 0, *[0] * 40, *[1] * 10])
    # The later a row turns, the less its score: a threshold at a score leaves it out.
    assert unseen.scores[0] > unseen.scores[1] > unseen.scores[2]
    for threshold, expected in ((unseen.scores[2], STEPS - 1), (unseen.scores[3], 13)):
        found = Answer.fit(run, unseen, float(threshold))
        assert found.log_odds == pytest.approx(GRID[expected], abs=1e-6)
        assert largest_allowed(run, unseen, threshold)[0] == GRID[expected]
    found = Answer.fit(run, unseen, float(unseen.scores[0]))
    assert found.log_odds == pytest.approx(GRID[-1], abs=1e-6)


def test_the_prior_of_real_probes_is_that_of_a_loop():
    pooled, logits, labels = samples()
    run = CleanRun(pooled, pooled, logits, labels)
    _, unseen = ExcessDetector.cross_fit(run)
    for rate in (0.3, 0.6, 0.9):
        threshold = np.quantile(unseen.scores, rate)
        found = Answer.fit(run, unseen, float(threshold))
        prior, sharpness = largest_allowed(run, unseen, np.float32(threshold))
        assert found.log_odds == pytest.approx(prior, abs=1e-6)
        assert found.sharpness == pytest.approx(sharpness, rel=1e-3)


@pytest.mark.filterwarnings("error")
def test_scores_that_are_not_finite_leave_the_answer_finite():
    run, unseen = clean_rows([4, 9, 14, *[NEVER] * 50])
    unseen.excess[-2:, 0] = np.nan, np.inf
    found = Answer.fit(run, unseen, float(unseen.scores[-3]))
    assert np.isfinite(found.log_odds).all()
    assert GRID[0] - 1e-6 <= found.log_odds <= GRID[-1] + 1e-6
