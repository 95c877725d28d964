"""A bundle of a tiny model is adapted to reviewed rows; the checks before it, on the same files."""

import csv
import json
import shutil

import numpy as np
import pytest
import tiny_graph
import tiny_transformers

from clampdown import adapt, defend
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_exporter import move_threshold
from clampdown_runtime import (
    CalibrationError,
    ClampdownError,
    DefendedClassifier,
    RowFormat,
    read_rows,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CLEAN_ROWS, REVIEWED, ATTACKS = 80, 30, 10


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model, its clean rows, a bundle that is none of the defaults, and reviewed rows."""
    place = tmp_path_factory.mktemp("adapt")
    layers = tiny_graph.save_onnx_model(place / "model")
    texts = list(dict.fromkeys(tiny_transformers.texts(400)))[: CLEAN_ROWS + REVIEWED + ATTACKS]
    ids = load_tokenization(open_model(place / "model")).encode(texts)
    labels = tiny_graph.reference(tiny_graph.padded(ids))[1].argmax(axis=1)
    labels[1::4] = (labels[1::4] + 1) % tiny_graph.CLASSES
    rows = list(zip(texts, labels.tolist(), strict=True))
    (place / "clean.jsonl").write_text(
        "\n".join(json.dumps({"text": t, "label": label}) for t, label in rows[:CLEAN_ROWS])
    )
    defend(
        place / "model",
        place / "clean.jsonl",
        place / "bundle",
        layers=layers,
        mode="purify",
        frr=0.2,
    )
    verdicts = ["clean"] * REVIEWED + ["attack"] * ATTACKS
    write(
        place / "reviewed.csv",
        [(*row, v) for row, v in zip(rows[CLEAN_ROWS:], verdicts, strict=True)],
    )
    return place


def write(path, rows, header=("text", "label", "verdict")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def adapted(place, out, reviewed=None, **keys):
    return adapt(
        place / "bundle",
        keys.pop("model", place / "model"),
        place / "clean.jsonl",
        reviewed or place / "reviewed.csv",
        out,
        **keys,
    )


def shares(classifier, texts, labels):
    found = classifier(texts)
    names = classifier.manifest.labels
    right = [p.label == names[int(label)] for p, label in zip(found, labels, strict=True)]
    return np.mean([p.flagged for p in found]), np.mean(right)


def test_the_new_bundle_is_calibrated_on_clean_and_reviewed_rows_and_on_no_attack(place, tmp_path):
    result = adapted(place, tmp_path / "out")
    rows = list(read_rows(place / "clean.jsonl"))
    reviewed = list(read_rows(place / "reviewed.csv"))
    together = tmp_path / "together.csv"
    write(
        together,
        [(r.text, r.label) for r in (*rows, *reviewed[:REVIEWED])],
        header=("text", "label"),
    )
    manifest = DefendedClassifier.load(place / "bundle").manifest
    expected = defend(
        place / "model",
        together,
        tmp_path / "expected",
        layers=manifest.layers,
        mode="purify",
        frr=0.2,
    )
    # Digests differ by the latencies that are measured.
    assert result.threshold == (manifest.threshold, expected.manifest.threshold)
    before, after = (DefendedClassifier.load(b) for b in (place / "bundle", tmp_path / "expected"))
    for change, part in (
        (result.clean, rows),
        (result.reviewed_clean, reviewed[:REVIEWED]),
        (result.attacks, reviewed[REVIEWED:]),
    ):
        texts, labels = [r.text for r in part], [r.label for r in part]
        assert change.rows == len(part)
        both = [shares(classifier, texts, labels) for classifier in (before, after)]
        assert change.flagged == pytest.approx([flagged for flagged, _ in both])
        assert change.accuracy == pytest.approx([right for _, right in both])


def test_without_attacks_the_rest_is_measured(place, tmp_path, invoke):
    reviewed = write(tmp_path / "reviewed.csv", [("a very good very good day", 0, "clean")])
    given = ("--clean", place / "clean.jsonl", "--reviewed", reviewed, "--out", tmp_path / "out")
    result = invoke("adapt", place / "bundle", "--model", place / "model", *given)
    assert result.exit_code == 0, result.stderr
    assert "reviewed, clean" in result.stdout
    assert "reviewed, attacks" not in result.stdout
    assert "threshold before" in result.stdout


NEW, OTHER = "a very good very good day", "not a bad day"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([(NEW, 0, "Clean")], "line 2: found the verdict 'Clean'"),
        ([(NEW, 0, "")], "line 2: found the verdict None"),
        ([(NEW, 0, "clean"), (NEW, 0, "attack")], "line 3: found the verdict attack of a text"),
        ([(NEW, "", "clean")], "line 2: found no label"),
        ([(NEW, 0, "attack")], "found 0 clean rows that are new"),
        ([(f"{OTHER} {'very ' * i}", 0, "clean") for i in range(81)], "found 81 clean rows"),
    ],
)
def test_reviewed_rows_that_cannot_be_used_are_refused(place, tmp_path, rows, found):
    reviewed = write(tmp_path / "reviewed.csv", rows)
    with pytest.raises(ClampdownError) as caught:
        adapted(place, tmp_path / "out", reviewed)
    assert found in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_attack_among_the_clean_rows_is_refused(place, tmp_path):
    row = next(read_rows(place / "clean.jsonl"))
    reviewed = write(tmp_path / "reviewed.csv", [(row.text, row.label, "attack")])
    with pytest.raises(ClampdownError, match="no attack among the clean rows"):
        adapted(place, tmp_path / "out", reviewed)


def test_rows_that_the_clean_rows_have_count_once(place, tmp_path):
    rows = list(read_rows(place / "clean.jsonl"))
    reviewed = write(tmp_path / "reviewed.csv", [(r.text, r.label, "clean") for r in rows])
    with pytest.raises(ClampdownError, match="found 0 clean rows that are new"):
        adapted(place, tmp_path / "out", reviewed)


def test_a_column_of_verdicts_is_needed(place, tmp_path):
    reviewed = write(tmp_path / "reviewed.csv", [(NEW, 0)], header=("text", "label"))
    with pytest.raises(ClampdownError, match="expected a column `verdict`"):
        adapted(place, tmp_path / "out", reviewed)


def test_another_model_is_refused(place, tmp_path):
    other = shutil.copytree(place / "model", tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "more": 1}))
    with pytest.raises(ClampdownError, match="found a model with the digest"):
        adapted(place, tmp_path / "out", model=other)


def test_a_bundle_that_cannot_be_calibrated_as_it_was_is_refused(place, tmp_path, bundle_path):
    given = (place / "model", place / "clean.jsonl", place / "reviewed.csv", tmp_path / "out")
    with pytest.raises(CalibrationError, match="mahalanobis of an earlier release"):
        adapt(bundle_path, *given)
    moved = shutil.copytree(place / "bundle", tmp_path / "moved")
    move_threshold(moved, value=1.0)
    with pytest.raises(CalibrationError, match="set by value"):
        adapt(moved, *given)


@pytest.fixture(params=["pairs", "many labels"])
def kind(request):
    return request.param


@pytest.fixture
def of_kind(kind, tmp_path):
    """A model, the bundle of its clean rows and the one of reviewed ones with them; all rows."""
    layers = tiny_graph.save_onnx_model(tmp_path / "model")
    texts = list(dict.fromkeys(tiny_transformers.texts(400)))[: CLEAN_ROWS + REVIEWED + ATTACKS]
    has = np.random.default_rng(0).random((len(texts), tiny_graph.CLASSES)) < 0.5
    if kind == "pairs":
        # The first text is no key: all have the same one.
        rows = [
            {"one": "good film", "other": text, "label": int(labels.argmax())}
            for text, labels in zip(texts, has, strict=True)
        ]
    else:
        path = tmp_path / "model" / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
        rows = [
            {"one": text, "label": np.flatnonzero(labels).tolist()}
            for text, labels in zip(texts, has, strict=True)
        ]
    columns = RowFormat(text="one", text_pair="other" if kind == "pairs" else "text_pair")
    for name, count in (("bundle", CLEAN_ROWS), ("expected", CLEAN_ROWS + REVIEWED)):
        clean = dump(tmp_path / f"{name}.jsonl", rows[:count])
        defend(tmp_path / "model", clean, tmp_path / name, row_format=columns, layers=layers)
    shutil.copy(tmp_path / "bundle.jsonl", tmp_path / "clean.jsonl")
    return tmp_path, columns, rows


def dump(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def right_answers(kind, classifier, predictions, rows):
    names = classifier.manifest.labels
    if kind == "pairs":
        return [p.label == names[row["label"]] for p, row in zip(predictions, rows, strict=True)]
    return [
        (name in prediction.labels) == (index in row["label"])
        for prediction, row in zip(predictions, rows, strict=True)
        for index, name in enumerate(names)
    ]


def test_pairs_and_many_labels_are_adapted(kind, of_kind):
    place, columns, rows = of_kind
    verdicts = ["clean"] * REVIEWED + ["attack"] * ATTACKS
    reviewed = dump(
        place / "reviewed.jsonl",
        [{**row, "verdict": v} for row, v in zip(rows[CLEAN_ROWS:], verdicts, strict=True)],
    )
    result = adapted(place, place / "out", reviewed, row_format=columns)
    classifiers = [DefendedClassifier.load(place / name) for name in ("bundle", "expected")]
    assert result.threshold == tuple(one.manifest.threshold for one in classifiers)
    for change, part in (
        (result.clean, rows[:CLEAN_ROWS]),
        (result.reviewed_clean, rows[CLEAN_ROWS:-ATTACKS]),
        (result.attacks, rows[-ATTACKS:]),
    ):
        assert change.rows == len(part)
        texts = [(row["one"], row["other"]) if "other" in row else row["one"] for row in part]
        found = [classifier(texts) for classifier in classifiers]
        assert change.flagged == tuple(np.mean([p.flagged for p in ps]) for ps in found)
        assert change.accuracy == pytest.approx(
            [
                np.mean(right_answers(kind, classifier, predictions, part))
                for classifier, predictions in zip(classifiers, found, strict=True)
            ]
        )


def test_pairs_are_no_reviewed_rows_of_single_texts(place, tmp_path):
    header = ("text", "text_pair", "label", "verdict")
    reviewed = write(tmp_path / "reviewed.csv", [(NEW, OTHER, 0, "clean")], header)
    with pytest.raises(ClampdownError, match=r"reviewed\.csv, line 2: found a pair of texts"):
        adapted(place, tmp_path / "out", reviewed)
