"""What is found at a place is named rightly: the words of the table mean what they say."""

import shutil

import pytest
import tiny_bundle

from .forked import Ended
from .originals import OLD_THRESHOLD, Originals
from .outcome import Outcome, look, require_clean, require_told
from .scene import NEW_THRESHOLD, Scene


@pytest.fixture
def scene(pristine, tmp_path):
    """Of `threshold`, with a bundle made by hand in the place of the original one."""
    originals = Originals(tmp_path / "originals")
    shutil.copytree(pristine, originals.bundle)
    _move(originals.bundle, OLD_THRESHOLD)
    return Scene("threshold", originals, tmp_path / "scene").set_up()


def _move(bundle, value, *, graph=True):
    import onnx
    from onnx import numpy_helper

    path = bundle / "onnx" / "model.onnx"
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == "threshold" and graph:
            array = numpy_helper.to_array(tensor) * 0 + value
            tensor.CopyFrom(numpy_helper.from_array(array, "threshold"))
    onnx.save(model, path)
    tiny_bundle.seal(bundle, threshold=value)


def test_old_and_new_are_told_apart(scene):
    assert scene.state() == "old"
    _move(scene.place, NEW_THRESHOLD)
    assert scene.state() == "new"


@pytest.mark.parametrize("name", ["clampdown.json", "onnx/model.onnx", "report.html"])
@pytest.mark.parametrize("harm", ["cut", "missing"])
def test_a_half_written_bundle_is_one(scene, name, harm):
    path = scene.place / name
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    assert scene.state() == "half-written"


def test_a_mixture_is_half_written_though_its_digests_fit(scene):
    _move(scene.place, NEW_THRESHOLD, graph=False)
    assert scene.state() == "half-written"


def test_a_strange_threshold_is_neither_old_nor_new(scene):
    _move(scene.place, 7.0)
    assert scene.state() == "half-written"


def test_leftovers_are_seen(scene):
    assert (scene.left_beside(), scene.left_in_temporary()) == ((), ())
    (scene.beside / ".bundle-half").mkdir()
    (scene.temporary / "scratch").touch()
    assert scene.left_beside() == (".bundle-half",)
    assert scene.left_in_temporary() == ("scratch",)
    outcome = look(scene, Ended(2, "", "error: no"))
    require_clean(outcome)
    assert len(outcome.wrong) == 2


def test_made_parents_are_leftovers_where_there_is_nothing_in_them(pristine, tmp_path):
    export = Scene("export", Originals(tmp_path / "originals"), tmp_path / "scene").set_up()
    export.place.parent.mkdir(parents=True)
    assert export.left_beside() == ("made",)
    shutil.copytree(pristine, export.place)
    assert export.left_beside() == ()
    (export.place.parent / ".leftover").touch()
    assert export.left_beside() == ("made/by it/.leftover",)


@pytest.mark.parametrize(
    ("status", "stderr", "wrong"),
    [
        (0, "", "status 0 and old"),
        (2, "Traceback (most recent call last):", "a traceback"),
        (1, "error: no", "status 1"),
        (2, "no", "no error"),
        (-9, "hung", "it hung"),
    ],
)
def test_what_a_command_says_is_judged(scene, status, stderr, wrong):
    ended = Ended(status, "", stderr)
    outcome = look(scene, ended)
    require_told(outcome, ended, scene.before)
    assert any(wrong in line for line in outcome.wrong)


def test_an_error_that_leaves_the_old_one_is_right(scene):
    ended = Ended(2, "", "error: the disk is full")
    outcome = look(scene, ended)
    require_clean(outcome)
    require_told(outcome, ended, scene.before)
    assert outcome.wrong == []


def test_an_error_after_the_change_is_wrong(scene):
    ended = Ended(2, "", "error: the disk is full")
    _move(scene.place, NEW_THRESHOLD)
    outcome = look(scene, ended)
    require_told(outcome, ended, scene.before)
    assert outcome.wrong == ["status 2 and new at the place"]


def test_a_bundle_that_is_gone_is_wrong(scene):
    shutil.rmtree(scene.place)
    outcome: Outcome = look(scene, Ended(2, "", "error: no"))
    assert (outcome.state, outcome.wrong) == ("nothing", ["the old one is gone"])
