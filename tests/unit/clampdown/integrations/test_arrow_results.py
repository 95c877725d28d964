"""Columns of Arrow hold what the runtime's own predictions say of the same outputs."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from clampdown.integrations.arrow_results import at_rows, result_table, result_types
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.prediction import RawOutputs, to_predictions

MANY = "multi_label_classification"


@pytest.fixture
def outputs():
    """Of three labels; the last rows are not finite."""
    random = np.random.default_rng(0)
    logits, own = (random.normal(0, 3, (8, 3)).astype(np.float32) for _ in range(2))
    logits[6, 1], logits[7, 2] = np.nan, np.inf
    scores = random.normal(size=8).astype(np.float32)
    scores[7] = np.nan
    return RawOutputs(logits, scores, ~(scores <= 0), own)


@pytest.fixture
def manifest(classifier: DefendedClassifier):
    def manifest(problem_type=None):
        given = {} if problem_type is None else {"problem_type": problem_type}
        return dataclasses.replace(classifier.manifest, labels=("a", "b", "c"), **given)

    return manifest


@pytest.mark.parametrize("problem_type", [None, MANY])
@pytest.mark.parametrize("known", [True, False])
def test_columns_are_the_predictions(outputs, manifest, problem_type, known):
    of = manifest(problem_type)
    outputs = outputs if known else dataclasses.replace(outputs, undefended_logits=None)
    types = result_types(of, all_probabilities=True)
    table = result_table(outputs, of, types)
    assert {field.name: field.type for field in table.schema} == types
    expected = to_predictions(outputs, of.labels, multi_label=of.multi_label)
    for row, prediction in zip(table.to_pylist(), expected, strict=True):
        for name in ("label", "flagged", "undefended_label"):
            assert row[name] == getattr(prediction, name)
        for name in ("probability", "anomaly_score"):
            assert row[name] == pytest.approx(getattr(prediction, name), nan_ok=True)
        found = tuple(row["probabilities"].values())
        assert found == pytest.approx(prediction.probabilities, nan_ok=True)
        for name in ("labels", "undefended_labels") if of.multi_label else ():
            given = getattr(prediction, name)
            assert row[name] == (None if given is None else [*given])


def test_rows_that_were_not_classified_have_nulls(outputs, manifest):
    of = manifest(MANY)
    table = result_table(outputs, of, result_types(of, all_probabilities=True))
    known = [False, True, True, False, *[True] * 6, False]
    columns = at_rows(table, known)
    for name, column in columns.items():
        assert column.is_valid().to_pylist() == known
        # As text, in which NaN equals NaN.
        assert repr(column.drop_null().to_pylist()) == repr(table.column(name).to_pylist())
    none = at_rows(table.slice(0, 0), [False] * 3)
    assert all(column.equals(pa.nulls(3, column.type)) for column in none.values())
