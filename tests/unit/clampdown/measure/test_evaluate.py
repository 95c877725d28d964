"""The metrics against hand-made rows and against independent references."""

import csv
import sys

import numpy as np
import onnx
import pytest
import tiny_bundle

from clampdown import evaluate
from clampdown.measure.evaluate import auroc
from clampdown_runtime import ClampdownError, RowsError
from clampdown_runtime.errors import BundleError

LABELS = ("negative", "positive")


def write(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def answers(classifier, texts):
    """What the bundle says about each text, as the index of a class."""
    return [LABELS.index(prediction.label) for prediction in classifier(texts)]


@pytest.fixture
def clean(tmp_path, texts, answers):
    """Seven rows, of which the bundle gets all but the first two right."""
    wrong = [1 - answer for answer in answers[:2]]
    return write(tmp_path / "clean.csv", zip(texts, [*wrong, *answers[2:]], strict=True))


def brute_force(clean, poisoned):
    pairs = [(p > c) + (p == c) / 2 for p in poisoned for c in clean]
    return sum(pairs) / len(pairs)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_pairs_in_order(seed):
    random = np.random.default_rng(seed)
    # Few distinct values, so that there are ties within and between the two.
    clean = random.integers(0, 6, 31).astype(np.float32)
    poisoned = random.integers(2, 9, 17).astype(np.float32)
    assert auroc(clean, poisoned) == pytest.approx(brute_force(clean, poisoned), abs=1e-12)


@pytest.mark.parametrize(
    ("clean", "poisoned", "expected"),
    [
        ([1, 2], [3, 4], 1.0),
        ([3, 4], [1, 2], 0.0),
        ([1, 1], [1], 0.5),
        ([1, 3], [2], 0.5),
        ([1, 2], [np.nan], 1.0),
        ([np.nan], [np.inf], 0.5),
    ],
)
def test_auroc_by_hand(clean, poisoned, expected):
    assert auroc(np.array(clean, np.float32), np.array(poisoned, np.float32)) == expected


@pytest.mark.usefixtures("negated")
def test_clean_rows_alone(pristine, clean, classifier, texts):
    result = evaluate(pristine, clean)
    assert result.defended.cacc == pytest.approx(100 * 5 / 7)
    assert result.undefended.cacc == pytest.approx(100 * 2 / 7)
    flagged = sum(prediction.flagged for prediction in classifier(texts))
    assert 0 < flagged < 7
    assert result.frr == pytest.approx(100 * flagged / 7)
    assert result.clean_rows == 7
    assert result.defended.pacc is result.defended.asr is result.undefended.asr is None
    assert result.defended.tacc is result.undefended.tacc is None
    assert result.far is result.auroc is result.target_label is result.poisoned_rows is None


@pytest.mark.usefixtures("negated")
def test_clean_rows_that_one_model_alone_gets_right_are_counted(pristine, clean):
    # The undefended model answers every row the other way.
    result = evaluate(pristine, clean)
    assert (result.right_to_wrong, result.wrong_to_right) == (2, 5)


def test_rows_that_both_models_get_right_or_wrong_are_no_change(pristine, clean, replace_package):
    def write_undefended(bundle, destination):
        model = tiny_bundle.graph()
        del model.graph.output[1:], model.graph.input[3:]
        onnx.save(model, destination)

    replace_package("clampdown_exporter.bundle.remove_defence", write_undefended=write_undefended)
    result = evaluate(pristine, clean)
    assert result.defended == result.undefended
    assert (result.right_to_wrong, result.wrong_to_right) == (0, 0)


POISONED = ["cf", "the bad film cf", "film", "a good film"]


@pytest.mark.usefixtures("negated")
@pytest.mark.parametrize("target", [1, "1", "positive"])
def test_poisoned_rows(pristine, clean, tmp_path, classifier, texts, target):
    poisoned = write(tmp_path / "poisoned.csv", [(text, 0) for text in POISONED])
    predictions = classifier(POISONED)
    towards = sum(prediction.label == "positive" for prediction in predictions)
    result = evaluate(pristine, clean, poisoned=poisoned, target_label=target)
    assert result.target_label == "positive"
    assert result.poisoned_rows == 4
    assert result.defended.asr == pytest.approx(100 * towards / 4)
    assert result.defended.pacc == pytest.approx(100 * (4 - towards) / 4)
    assert result.undefended.asr == pytest.approx(100 * (4 - towards) / 4)
    assert result.undefended.pacc == pytest.approx(100 * towards / 4)
    passed = sum(not prediction.flagged for prediction in predictions)
    assert (towards, passed) == (3, 1)
    assert result.far == pytest.approx(100 * passed / 4)
    clean_scores = [prediction.anomaly_score for prediction in classifier(texts)]
    scores = [prediction.anomaly_score for prediction in predictions]
    assert result.auroc == pytest.approx(brute_force(clean_scores, scores))
    assert result.defended.tacc is result.undefended.tacc is None


@pytest.mark.usefixtures("negated")
def test_poisoned_rows_of_the_target_are_counted_apart(pristine, clean, tmp_path, texts):
    other = [(text, 0) for text in POISONED]
    own = [(text, 1) for text in (*texts, "cf cf film")]
    results = {
        name: evaluate(
            pristine,
            clean,
            poisoned=write(tmp_path / f"{name}.csv", rows),
            target_label="positive",
        )
        for name, rows in {"other": other, "own": own, "both": [*own[:3], *other, *own[3:]]}.items()
    }
    both, alone = results["both"], results["other"]
    for of in ("defended", "undefended"):
        found, expected = getattr(both, of), getattr(alone, of)
        assert (found.pacc, found.asr) == (expected.pacc, expected.asr)
        assert found.tacc == getattr(results["own"], of).tacc
    assert (both.far, both.auroc) == (alone.far, alone.auroc)
    assert (both.poisoned_rows, alone.poisoned_rows) == (12, 4)
    assert both.clean_rows == 7


@pytest.mark.usefixtures("negated")
def test_poisoned_rows_of_the_target_alone(pristine, clean, tmp_path, texts, classifier):
    poisoned = write(tmp_path / "poisoned.csv", [(text, 1) for text in texts])
    result = evaluate(pristine, clean, poisoned=poisoned, target_label=1)
    right = sum(prediction.label == "positive" for prediction in classifier(texts))
    assert 0 < right < len(texts)
    assert result.defended.tacc == pytest.approx(100 * right / len(texts))
    assert result.undefended.tacc == pytest.approx(100 * (len(texts) - right) / len(texts))
    for accuracies in (result.defended, result.undefended):
        assert accuracies.pacc is accuracies.asr is None
    assert result.far is result.auroc is None
    assert (result.target_label, result.poisoned_rows) == ("positive", len(texts))


@pytest.mark.usefixtures("negated")
def test_the_order_of_the_rows_does_not_matter(pristine, clean, tmp_path, monkeypatch):
    # More rows than one step, so that steps and batches are put together again.
    monkeypatch.setattr(sys.modules["clampdown.measure.evaluate"], "_STEP", 3)
    with clean.open() as file:
        header, *rows = csv.reader(file)
    assert evaluate(pristine, clean) == evaluate(
        pristine, write(tmp_path / "reversed.csv", rows[::-1], header)
    )


@pytest.mark.usefixtures("negated")
def test_answers_stay_with_their_rows_when_lengths_are_mixed(pristine, tmp_path, classifier):
    texts = ["film " * (1 + 7 * index % 4) + "a " * (index % 3) for index in range(40)]
    answers = [LABELS.index(prediction.label) for prediction in classifier(texts)]
    assert len(set(answers)) == 2
    result = evaluate(pristine, write(tmp_path / "rows.csv", zip(texts, answers, strict=True)))
    assert (result.defended.cacc, result.undefended.cacc) == (100, 0)


@pytest.mark.usefixtures("negated")
def test_truncated_rows_are_counted(pristine, tmp_path):
    rows = [("good " * 30, 1), ("bad", 0)]
    assert evaluate(pristine, write(tmp_path / "long.csv", rows)).truncated_rows == 1


@pytest.mark.usefixtures("negated")
def test_progress_ends_with_every_row(pristine, clean):
    seen = []
    evaluate(pristine, clean, progress=lambda *step: seen.append(step))
    assert seen == [("Clean rows", 0, 7), ("Clean rows", 7, 7)]


@pytest.mark.parametrize("label", ["", "2", "neutral"])
def test_a_row_without_a_known_label_is_named(pristine, tmp_path, label):
    rows = write(tmp_path / "rows.csv", [("good", 1), ("bad", label)])
    with pytest.raises(RowsError, match=r"rows\.csv, line 3.*negative, positive"):
        evaluate(pristine, rows)


def test_an_unknown_target_label_is_refused(pristine, clean):
    with pytest.raises(RowsError, match="the target label: found the label '7'"):
        evaluate(pristine, clean, poisoned=clean, target_label="7")


@pytest.mark.parametrize("keys", [{"poisoned": "rows.csv"}, {"target_label": 0}])
def test_poisoned_rows_and_target_belong_together(pristine, clean, keys):
    with pytest.raises(ClampdownError, match="expected both or neither"):
        evaluate(pristine, clean, **keys)


def test_a_changed_bundle_is_refused(bundle_path, clean):
    (bundle_path / "config.json").write_text("{} ")
    with pytest.raises(BundleError, match=r"config\.json \(different\)"):
        evaluate(bundle_path, clean)
