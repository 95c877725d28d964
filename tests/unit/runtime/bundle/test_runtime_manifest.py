import dataclasses
import json

import pytest

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.errors import BundleError

DIGEST = "sha256:" + "1" * 64


@pytest.fixture
def fields(pristine):
    return json.loads((pristine / "clampdown.json").read_text())


def refuse(fields) -> BundleError:
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(json.dumps(fields), "m.json")
    assert caught.value.thing.startswith("m.json")
    return caught.value


def test_writing_and_reading_give_the_manifest_back(fields):
    manifest = Manifest.from_json(json.dumps(fields), "m.json")
    text = manifest.to_json()
    assert Manifest.from_json(text, "m.json") == manifest
    assert json.loads(text) == fields
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(fields)
    backwards = Manifest.from_json(json.dumps(dict(reversed(fields.items()))), "m.json")
    assert backwards.to_json() == text


def test_a_manifest_may_hold_the_greatest_numbers(bundle_path, seal, texts, classifier):
    seal(
        bundle_path,
        max_length=2**63 - 1,
        padding={"side": "right", "token_id": 2**63 - 1, "type_id": 2**63 - 1},
    )
    [prediction] = DefendedClassifier.load(bundle_path)(texts[:1])
    assert prediction.label == classifier(texts[:1])[0].label


def test_frr_may_be_null(fields):
    assert Manifest.from_json(json.dumps({**fields, "frr": None}), "m.json").frr is None


# The last two are of earlier releases, whose bundles are still there.
@pytest.mark.parametrize("detector", ["excess", "nas", "fusion", "mahalanobis"])
def test_every_detector_that_a_release_wrote_is_read(bundle_path, seal, texts, detector):
    seal(bundle_path, detector=detector)
    loaded = DefendedClassifier.load(bundle_path)
    assert loaded.manifest.detector == detector
    assert {prediction.flagged for prediction in loaded(texts)} == {True, False}


def test_a_newer_version_asks_for_an_upgrade_even_with_unknown_keys(fields):
    error = refuse({**fields, "format_version": 3, "novelty": 1})
    assert "format version 3" in error.found
    assert "pip install --upgrade clampdown" in error.hint


def test_every_missing_key_is_named(fields):
    for key in fields:
        error = refuse({name: value for name, value in fields.items() if name != key})
        assert f"`{key}`" in error.found
    for parent in ("model", "padding"):
        for key in fields[parent]:
            child = {name: value for name, value in fields[parent].items() if name != key}
            error = refuse({**fields, parent: child})
            assert f"`{parent}`" in error.thing
            assert f"`{key}`" in error.found


def test_every_unknown_key_is_named(fields):
    assert "`treshold`" in refuse({**fields, "treshold": 1}).found
    for parent in ("model", "padding"):
        error = refuse({**fields, parent: {**fields[parent], "colour": 1}})
        assert f"`{parent}`" in error.thing
        assert "`colour`" in error.found


def test_every_wrong_type_is_named(fields):
    for key in fields:
        wrong = [] if key != "frr" else "0.1"
        if isinstance(fields[key], list):
            wrong = "text"
        assert f"`{key}`" in refuse({**fields, key: wrong}).thing
    for parent in ("model", "padding"):
        for key in fields[parent]:
            error = refuse({**fields, parent: {**fields[parent], key: []}})
            assert f"`{parent}`" in error.thing
            assert f"`{key}`" in error.thing


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", 0),
        ("format_version", True),
        ("mode", "cure"),
        ("precision", "bf16"),
        ("labels", []),
        ("labels", ["same", "same"]),
        ("labels", [1]),
        ("inputs", ["input_ids"]),
        ("inputs", ["input_ids", "attention_mask", "position_ids"]),
        ("inputs", ["input_ids", "attention_mask", "input_ids"]),
        ("max_length", 0),
        ("max_length", 1.5),
        ("max_length", 10**30),
        ("labels", ["one", "half \ud800"]),
        ("clampdown_version", "\udfff"),
        ("versions", {"onnx": "\ud800"}),
        ("versions", {"\ud800": "1"}),
        ("layers", []),
        ("representation", "mean"),
        ("detector", "oracle"),
        ("threshold", 10**400),
        ("threshold", True),
        ("frr", 1.5),
        ("frr_measured", -0.1),
        ("frr_measured", None),
        ("calibration_digest", "sha256:1"),
        ("calibration_digest", DIGEST),
        ("versions", {"onnx": 1}),
    ],
)
def test_every_invalid_value_is_named(fields, key, value):
    assert f"`{key}" in refuse({**fields, key: value}).thing


@pytest.mark.parametrize(
    ("parent", "key", "value"),
    [
        ("model", "digest", "md5:1"),
        ("padding", "side", "both"),
        ("padding", "token_id", -1),
        ("padding", "token_id", 2**63),
        ("padding", "type_id", 10**30),
        ("padding", "type_id", 0.0),
    ],
)
def test_every_invalid_nested_value_is_named(fields, parent, key, value):
    error = refuse({**fields, parent: {**fields[parent], key: value}})
    assert error.thing == f"m.json, `{parent}`, `{key}`"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../outside",
        "onnx/../../outside",
        "onnx\\model.onnx",
        "C:/model.onnx",
        "./model.onnx",
        ".hidden",
        "onnx//model.onnx",
        "onnx/",
        "",
        "nul\0",
        "clampdown.json",
    ],
)
def test_paths_that_are_not_files_of_the_bundle_are_refused(fields, path):
    error = refuse({**fields, "files": {**fields["files"], path: DIGEST}})
    assert "`files`" in error.thing


def test_a_bundle_lists_its_files_with_their_digests(fields):
    files = fields["files"]
    for missing in ("onnx/model.onnx", "tokenizer.json", "calibration.safetensors", "golden.json"):
        error = refuse({**fields, "files": {k: v for k, v in files.items() if k != missing}})
        assert missing in error.found
    assert "onnx/model_quantized.onnx" in refuse({**fields, "precision": "int8"}).found
    assert "config.json" in refuse({**fields, "files": {**files, "config.json": "1"}}).thing
    without_report = {path: digest for path, digest in files.items() if path != "report.html"}
    Manifest.from_json(json.dumps({**fields, "files": without_report}), "m.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_text_that_is_no_object_is_refused(text):
    with pytest.raises(BundleError):
        Manifest.from_json(text, "m.json")


def test_a_key_that_is_there_twice_is_refused(fields):
    text = json.dumps(fields)
    with pytest.raises(BundleError, match="'mode' is there twice"):
        Manifest.from_json('{"mode": "detect", ' + text[1:], "m.json")


def test_numbers_that_json_does_not_have_are_neither_read_nor_written(fields):
    manifest = Manifest.from_json(json.dumps(fields), "m.json")
    text = json.dumps({**fields, "threshold": float("nan")})
    with pytest.raises(BundleError, match="NaN"):
        Manifest.from_json(text, "m.json")
    broken = dataclasses.replace(manifest, threshold=float("inf"))
    with pytest.raises(BundleError, match="Infinity"):
        broken.to_json()


SECOND = {
    "format_version": 2,
    "truncation_side": "right",
    "text_pair": False,
    "problem_type": "single_label_classification",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("truncation_side", "left"),
        ("text_pair", True),
        ("problem_type", "multi_label_classification"),
    ],
)
def test_what_is_said_from_version_2_on(fields, key, value):
    given = {**fields, **SECOND, key: value}
    manifest = Manifest.from_json(json.dumps(given), "m.json")
    assert (manifest.format_version, getattr(manifest, key)) == (2, value)
    assert manifest.multi_label == (key == "problem_type")
    assert json.loads(manifest.to_json()) == given
    assert refuse({**fields, key: value}).found == f"the unknown `{key}`"
    del given[key]
    assert refuse(given).found == f"no `{key}`"


def test_what_version_1_can_say_is_written_in_it(fields):
    """For readers that know no other."""
    manifest = Manifest.from_json(json.dumps({**fields, **SECOND}), "m.json")
    assert json.loads(manifest.to_json()) == fields
    assert Manifest.from_json(json.dumps(fields), "m.json") == manifest


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("truncation_side", "middle", "'middle'"),
        ("text_pair", 1, "an integer"),
        ("problem_type", "regression", "'regression'"),
    ],
)
def test_what_is_no_value_of_a_key_of_version_2_is_refused(fields, key, value, found):
    assert found in refuse({**fields, **SECOND, key: value}).found
