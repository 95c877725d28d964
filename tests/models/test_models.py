"""Every model of the corpus comes out right, or is refused with the reason."""

import pytest

from clampdown_calib.models.architectures import ARCHITECTURES
from tests.models.cases import BY_HAND, CASES, KNOWN
from tests.models.page import as_expected
from tests.models.run_case import TOLERANCE, run_case


def _row(case):
    slow = case.slow or case in BY_HAND
    return pytest.param(case, id=case.name, marks=[pytest.mark.slow] if slow else [])


pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_known_architecture_is_in_the_corpus():
    assert {case.model_type for case in KNOWN} == set(ARCHITECTURES)
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [_row(case) for case in CASES])
def test_model_comes_out_right_or_is_refused(case, tmp_path):
    outcome = run_case(case, tmp_path)
    assert as_expected(case, outcome, TOLERANCE), outcome.described()
    assert (tmp_path / "bundle").exists() == (case.refused is None)
