"""Margins equal a literal loop, and the nodes equal the NumPy form."""

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph

from clampdown_calib.evidence.margins import (
    LEAST_SPREAD,
    emit_logit_margin,
    emit_prediction,
    logit_margin,
    margin_spread,
    prediction,
)


def logits(classes: int, *, seed: int = 0) -> np.ndarray:
    """Random ones, then ties: of the two largest, of all, and of the largest with itself."""
    random = np.random.default_rng(seed).normal(size=(30, classes)) * 5
    random[0, :2] = random[0].max() + 1
    random[1] = 3
    random[2, -2:] = random[2].max() + 2
    return random.astype(np.float32)


def literal_lead(row: np.ndarray, chosen: int) -> float:
    return row[chosen] - max(value for c, value in enumerate(row) if c != chosen)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_leads_equal_a_literal_loop(classes):
    values = logits(classes)
    chosen = np.arange(len(values)) % classes
    expected = [literal_lead(row, c) for row, c in zip(values, chosen, strict=True)]
    np.testing.assert_array_equal(logit_margin(values, chosen), expected)
    two, best = np.sort(values, axis=1), values.argmax(axis=1)
    np.testing.assert_array_equal(logit_margin(values, best), two[:, -1] - two[:, -2])
    assert logit_margin(values, best)[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_leads_at_every_layer_are_of_the_rows_own_class(classes):
    layers = np.stack([logits(classes, seed=seed) for seed in range(4)], axis=1)
    chosen = np.arange(len(layers)) % classes
    expected = [[literal_lead(at, c) for at in row] for row, c in zip(layers, chosen, strict=True)]
    np.testing.assert_array_equal(logit_margin(layers, chosen), expected)
    again = logit_margin(layers.reshape(len(layers), 2, 2, classes), chosen)
    np.testing.assert_array_equal(again, np.reshape(expected, (len(layers), 2, 2)))


def test_lead_leaves_the_logits_as_they_were():
    values = logits(3)
    logit_margin(values, values.argmax(axis=1))
    np.testing.assert_array_equal(values, logits(3))


def test_spread_is_the_standard_deviation_or_the_least():
    assert margin_spread(np.float32([1, 2, 3, 4])) == pytest.approx(1.25**0.5)
    assert margin_spread(np.float32([5, 5, 5])) == LEAST_SPREAD


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_nodes_equal_numpy(classes):
    def emit(tape: ir.tape.Tape, own: ir.Value, every: ir.Value) -> list[ir.Value]:
        chosen = emit_prediction(tape, own, classes)
        one = tape.op("Cast", [chosen], {"to": ir.DataType.FLOAT})
        axis = tape.initializer(ir.tensor(np.array([1])), "axis")
        return [tape.op("Squeeze", [one, axis]), emit_logit_margin(tape, chosen, every)]

    own = logits(classes)
    # In turned order, so that no row ties in all.
    other = np.stack([logits(classes, seed=seed)[::-1] for seed in (1, 2)], axis=1)
    every = np.concatenate([own[:, None], other], axis=1)
    found = tiny_graph.run_nodes(emit, own[:, None], every, shape=("some",))
    # Of tied classes both take the first.
    chosen = own.argmax(axis=1)
    np.testing.assert_array_equal(found[0], np.eye(classes, dtype=np.float32)[chosen])
    np.testing.assert_array_equal(found[1], logit_margin(every, chosen))
    assert (found[1][:, 0] >= 0).all()
    assert (found[1][:, 1:] < 0).any()


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_prediction_is_one_class_a_row_the_first_of_tied_ones(classes):
    values = logits(classes)
    found = prediction(values)
    assert (found.sum(axis=1) == 1).all()
    for row, chosen in zip(values.tolist(), found, strict=True):
        assert chosen.tolist().index(True) == row.index(max(row))
