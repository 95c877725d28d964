"""Leads equal a literal loop, and the nodes equal the NumPy form."""

import numpy as np
import onnx_ir as ir
import pytest
import tiny_models

from clampdown_calib.margins import emit_lead, lead


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
    np.testing.assert_array_equal(lead(values, chosen), expected)
    two, best = np.sort(values, axis=1), values.argmax(axis=1)
    np.testing.assert_array_equal(lead(values, best), two[:, -1] - two[:, -2])
    assert lead(values, best)[:3].tolist() == [0, 0, 0]


def test_lead_leaves_the_logits_as_they_were():
    values = logits(3)
    lead(values, values.argmax(axis=1))
    np.testing.assert_array_equal(values, logits(3))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_nodes_equal_numpy(classes):
    def emit(tape: ir.tape.Tape, own: ir.Value, other: ir.Value) -> list[ir.Value]:
        return emit_lead(tape, own, [own, other])

    # In turned order, so that no row ties in both.
    own, other = logits(classes), logits(classes, seed=1)[::-1].copy()
    found = tiny_models.run_nodes(emit, own, other)
    # Of tied classes both take the first.
    chosen = own.argmax(axis=1)
    np.testing.assert_array_equal(found[0], lead(own, chosen))
    np.testing.assert_array_equal(found[1], lead(other, chosen))
    assert (found[0] >= 0).all()
    assert (found[1] < 0).any()


def test_nodes_need_a_known_number_of_classes():
    unknown = ir.Value(name="logits", shape=ir.Shape(["batch", "classes"]))
    with pytest.raises(ValueError, match="the logits have the shape"):
        emit_lead(ir.tape.Tape(), unknown, [unknown])
