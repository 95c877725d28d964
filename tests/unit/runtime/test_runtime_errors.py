"""Errors cross the borders of processes."""

import copy
import multiprocessing
import pickle

import pytest

from clampdown_runtime import BundleError, ClampdownError, DefendedClassifier, RowsError
from clampdown_runtime import errors as module

KINDS = [
    kind
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, ClampdownError)
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])  # noqa: S301
def test_errors_survive_copying_and_pickling(kind, again):
    error = kind("a row", found="nothing", expected="a text", hint="Leave it out.")
    found = again(error)
    assert type(found) is kind
    assert str(found) == str(error) == "a row: found nothing; expected a text. Leave it out."
    parts = ("thing", "found", "expected", "hint")
    assert [getattr(found, part) for part in parts] == [getattr(error, part) for part in parts]


def test_a_workers_error_reaches_the_process_that_waits(tmp_path):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        waiting = pool.apply_async(DefendedClassifier.load, (tmp_path / "nothing",))
        with pytest.raises(BundleError, match="nothing there"):
            waiting.get(timeout=60)


def test_predictions_and_manifests_are_pickled_whole(classifier, texts):
    predictions = classifier(texts)
    assert pickle.loads(pickle.dumps(predictions)) == predictions  # noqa: S301
    assert pickle.loads(pickle.dumps(classifier.manifest)) == classifier.manifest  # noqa: S301


def test_a_classifier_loads_its_bundle_again_in_another_process(pristine, texts, monkeypatch):
    monkeypatch.chdir(pristine.parent)
    classifier = DefendedClassifier.load(pristine.name, threads=1)
    monkeypatch.chdir("/")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(classifier, (texts,)) == classifier(texts)


def test_a_classifier_never_loads_another_bundle_in_its_place(bundle_path, seal):
    pickled = pickle.dumps(DefendedClassifier.load(bundle_path))
    (bundle_path / "report.html").write_text("another")
    seal(bundle_path)
    with pytest.raises(BundleError, match="do not run it"):
        pickle.loads(pickled)  # noqa: S301


def test_a_classifier_of_no_bundle_says_so(classifier):
    made = DefendedClassifier(classifier.bundle, classifier.tokenizer, classifier._graph)
    with pytest.raises(ClampdownError, match="load it in each process"):
        pickle.dumps(made)


def test_rows_errors_stay_what_they_are():
    error = RowsError("row 3", found="x", expected="y", hint="z")
    with pytest.raises(RowsError, match="row 3"):
        raise copy.deepcopy(error)


def test_a_message_can_always_be_written():
    error = ClampdownError("a\udcff", found="\ud800", expected="b", hint="c")
    assert str(error).encode() == rb"a\udcff: found \ud800; expected b. c"
    assert error.thing == r"a\udcff"
