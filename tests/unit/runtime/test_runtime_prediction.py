import numpy as np
import pytest

from clampdown_runtime.prediction import Prediction, RawOutputs, softmax, to_predictions


def outputs(logits):
    rows = len(logits)
    return RawOutputs(
        np.array(logits, np.float32), np.arange(rows, dtype=np.float32), np.arange(rows) % 2 == 1
    )


def test_predictions_name_the_most_probable_class():
    first, second = to_predictions(outputs([[2, 1], [0, 0.5]]), ["no", "yes"])
    assert first == Prediction("no", pytest.approx(1 / (1 + np.exp(-1))), 0.0, False, (2.0, 1.0))
    assert second == Prediction("yes", pytest.approx(1 / (1 + np.exp(-0.5))), 1.0, True, (0.0, 0.5))
    assert type(second.flagged) is bool
    assert type(second.probability) is float


def test_every_class_has_a_probability():
    for prediction in to_predictions(outputs([[2, 1, -1], [0.1, 0.5, 88]]), ["a", "b", "c"]):
        exponents = np.exp(np.array(prediction.logits, np.longdouble))
        assert prediction.probabilities == pytest.approx(exponents / exponents.sum(), abs=1e-15)
        # The very number that stands for the label.
        assert max(prediction.probabilities) == prediction.probability
        assert type(prediction.probabilities[0]) is float


def test_large_logits_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        probabilities = softmax(np.array([[3e38, 0], [-3e38, -3e38]], np.float32))
    assert probabilities.tolist() == [[1, 0], [0.5, 0.5]]


@pytest.mark.filterwarnings("error")
def test_logits_that_are_not_finite_give_nan():
    nan, infinite = to_predictions(outputs([[np.nan, 1], [np.inf, 1]]), ["no", "yes"])
    assert np.isnan(nan.probability)
    assert np.isnan(infinite.probability)
    assert np.isnan([*nan.probabilities, *infinite.probabilities]).all()


def test_labels_are_those_over_one_half_and_each_has_a_sigmoid():
    some, none = to_predictions(
        outputs([[2, -1, 0.5], [-3, -88, 0]]), ["a", "b", "c"], multi_label=True
    )
    assert some.labels == ("a", "c")
    assert (some.label, some.probability) == ("a", pytest.approx(1 / (1 + np.exp(-2))))
    expected = [1 / (1 + np.exp(-logit)) for logit in (2.0, -1.0, 0.5)]
    assert some.probabilities == pytest.approx(expected)
    assert none.labels == ()
    assert (none.label, none.probability) == ("c", 0.5)
    assert to_predictions(outputs([[2, 1]]), ["no", "yes"])[0].labels is None


def test_a_label_that_is_no_number_is_not_given():
    [broken] = to_predictions(outputs([[np.nan, 1]]), ["no", "yes"], multi_label=True)
    assert np.isnan(broken.probability)
    assert broken.labels == ("yes",)
    assert broken.probabilities[1] == pytest.approx(1 / (1 + np.exp(-1)))
