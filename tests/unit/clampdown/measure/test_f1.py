"""F1 against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from clampdown.measure.f1 import macro_f1, micro_f1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("average", ["micro", "macro"])
def test_f1_is_scikit_learns(seed, average):
    rng = np.random.default_rng(seed)
    truth, said = (rng.random((2, 40, 5)) < rng.random(5)).astype(np.int64)
    # A label that is neither given nor there.
    truth[:, 4] = said[:, 4] = 0
    found = {"micro": micro_f1, "macro": macro_f1}[average](truth, said)
    assert found == pytest.approx(f1_score(truth, said, average=average, zero_division=0))


def test_f1_of_nothing_is_zero():
    nothing = np.zeros((3, 2), np.int64)
    assert micro_f1(nothing, nothing) == macro_f1(nothing, nothing) == 0
