"""The metrics of many labels, against scikit-learn and counts by hand."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from clampdown import evaluate
from clampdown_runtime import DefendedClassifier

LABELS = ("negative", "positive")


@pytest.fixture
def truth(texts):
    return np.random.default_rng(4).integers(0, 2, (len(texts), len(LABELS)))


@pytest.fixture
def rows(tmp_path, texts, truth):
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for text, has in zip(texts, truth, strict=True):
            names = [name for name, is_there in zip(LABELS, has, strict=True) if is_there]
            file.write(json.dumps({"text": text, "label": names}) + "\n")
    return path


@pytest.mark.usefixtures("negated")
def test_every_label_is_a_question(many_labels, rows, texts, truth):
    predictions = DefendedClassifier.load(many_labels)(texts)
    said = np.array([[name in p.labels for name in LABELS] for p in predictions]).astype(int)
    result = evaluate(many_labels, rows, poisoned=rows, target_label="positive")
    assert 0 < said.mean() < 1
    # The undefended model gives every label to every text.
    undefended = np.ones_like(said)
    for answers, found in ((said, result.defended), (undefended, result.undefended)):
        assert found.cacc == pytest.approx(100 * accuracy_score(truth.ravel(), answers.ravel()))
        lacking = truth[:, 1] == 0
        for average in ("micro", "macro"):
            for rows_of, name in (
                (slice(None), f"{average}_f1"),
                (lacking, f"poisoned_{average}_f1"),
            ):
                expected = f1_score(
                    truth[rows_of], answers[rows_of], average=average, zero_division=0
                )
                assert getattr(found, name) == pytest.approx(100 * expected)
        assert found.pacc == pytest.approx(100 * (answers == truth)[lacking].mean())
        assert found.asr == pytest.approx(100 * answers[lacking, 1].mean())
        assert found.tacc == pytest.approx(100 * answers[~lacking, 1].mean())
    flagged = np.array([prediction.flagged for prediction in predictions])
    assert result.far == pytest.approx(100 * (~flagged[truth[:, 1] == 0]).mean())
    was, now = undefended == truth, said == truth
    assert result.right_to_wrong == (was & ~now).sum()
    assert result.wrong_to_right == (~was & now).sum()


@pytest.mark.usefixtures("negated")
def test_the_command_names_what_it_shows(many_labels, rows, invoke):
    result = invoke("evaluate", many_labels, "--clean", rows)
    assert result.exit_code == 0, result.output
    shown = result.stdout
    assert "micro F1 (%)" in shown
    assert "macro F1 (%)" in shown
    assert "poisoned" not in shown
