import os
import shutil

import pytest

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle import files
from clampdown_runtime.bundle.differences import FileDifference, bundle_differences
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.files import (
    LARGEST_MANIFEST,
    open_bundle,
    open_manifest,
    read_bundle,
)
from clampdown_runtime.errors import BundleError


def differences(folder):
    return bundle_differences(folder, open_manifest(folder).manifest)


def test_an_unchanged_bundle_opens(bundle_path):
    bundle = open_bundle(str(bundle_path))
    assert bundle.manifest.labels == ("negative", "positive")
    for path in (
        bundle.model_path,
        bundle.tokenizer_path,
        bundle.calibration_path,
        bundle.golden_path,
    ):
        assert path.is_file()


def test_all_differences_are_collected_and_named(bundle_path):
    (bundle_path / "tokenizer.json").unlink()
    (bundle_path / "notes.txt").write_text("")
    (bundle_path / "onnx" / ".hidden").write_text("")
    with (bundle_path / "config.json").open("a") as file:
        file.write(" ")
    expected = [
        FileDifference("config.json", "different"),
        FileDifference("notes.txt", "extra"),
        FileDifference("onnx/.hidden", "extra"),
        FileDifference("tokenizer.json", "missing"),
    ]
    assert differences(bundle_path) == expected
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle_path)
    for difference in expected:
        assert f"{difference.path} ({difference.kind})" in caught.value.found


def test_many_differences_are_counted_after_the_first(bundle_path):
    for index in range(12):
        (bundle_path / f"extra-{index}").write_text("")
    with pytest.raises(BundleError, match="and 7 more"):
        open_bundle(bundle_path)


def test_links_that_leave_the_folder_are_refused(bundle_path, tmp_path):
    moved = (bundle_path / "config.json").rename(tmp_path / "config.json")
    (bundle_path / "config.json").symlink_to(moved)
    assert differences(bundle_path) == [FileDifference("config.json", "outside")]


def test_a_manifest_that_is_a_link_to_outside_is_refused(bundle_path, tmp_path):
    moved = (bundle_path / "clampdown.json").rename(tmp_path / "clampdown.json")
    (bundle_path / "clampdown.json").symlink_to(moved)
    with pytest.raises(BundleError, match=r"clampdown\.json: found a link that leaves"):
        open_bundle(bundle_path)


def test_a_link_to_itself_is_refused(bundle_path):
    (bundle_path / "config.json").unlink()
    (bundle_path / "config.json").symlink_to("config.json")
    assert differences(bundle_path) == [FileDifference("config.json", "different")]


def test_a_bundle_that_is_a_link_to_itself_is_refused(bundle_path, tmp_path):
    manifest = open_manifest(bundle_path).manifest
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BundleError, match=r"loop: found"):
        open_bundle(tmp_path / "loop")
    with pytest.raises(BundleError, match=r"loop: found"):
        bundle_differences(tmp_path / "loop", manifest)


def test_links_to_folders_are_not_followed(bundle_path, tmp_path):
    moved = (bundle_path / "onnx").rename(tmp_path / "onnx")
    (bundle_path / "onnx").symlink_to(moved)
    assert differences(bundle_path) == [
        FileDifference("onnx", "outside"),
        FileDifference("onnx/model.onnx", "missing"),
    ]


def test_a_bundle_may_itself_be_behind_a_link(bundle_path, tmp_path):
    (tmp_path / "link").symlink_to(bundle_path)
    assert open_bundle(tmp_path / "link").path == tmp_path / "link"


def test_what_is_no_regular_file_is_different_and_never_read(bundle_path):
    (bundle_path / "config.json").unlink()
    os.mkfifo(bundle_path / "config.json")
    assert differences(bundle_path) == [FileDifference("config.json", "different")]


def test_a_file_that_cannot_be_read_is_named(bundle_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("clampdown_runtime.bundle.differences.file_digest", refuse)
    with pytest.raises(BundleError, match="Permission denied"):
        open_bundle(bundle_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [("nowhere", "nothing there"), ("empty", "a folder without"), ("model.onnx", "a file")],
)
def test_what_is_not_a_bundle_is_said(tmp_path, name, found):
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.onnx").write_text("")
    with pytest.raises(BundleError, match=found):
        open_bundle(tmp_path / name)


def test_a_manifest_that_is_not_text_is_refused(bundle_path):
    (bundle_path / "clampdown.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BundleError, match=r"clampdown\.json"):
        open_bundle(bundle_path)


@pytest.mark.parametrize("name", ["onnx/model.onnx", "tokenizer.json"])
def test_what_changes_behind_the_check_is_not_loaded(bundle_path, monkeypatch, name):
    def swapped(path, **options):
        bundle = open_bundle(path)
        file = path / name
        file.write_bytes(file.read_bytes() + b" ")
        return bundle

    monkeypatch.setattr(files, "open_bundle", swapped)
    with pytest.raises(BundleError, match=f"{name}.*other contents than a moment ago"):
        DefendedClassifier.load(bundle_path)


def test_what_is_gone_behind_the_check_is_our_error(bundle_path):
    bundle = open_bundle(bundle_path)
    bundle.tokenizer_path.unlink()
    with pytest.raises(BundleError, match=r"tokenizer\.json.*cannot be read"):
        bundle.read("tokenizer.json")


def test_a_bundle_that_was_replaced_with_new_digests_is_not_the_expected_one(bundle_path, seal):
    digest = file_digest(bundle_path / "clampdown.json")
    assert open_bundle(bundle_path, expected_digest=digest).path == bundle_path
    DefendedClassifier.load(bundle_path, expected_digest=digest)
    (bundle_path / "report.html").write_text("another")
    seal(bundle_path)
    # In itself it is whole.
    open_bundle(bundle_path)
    for opened in (open_bundle, DefendedClassifier.load):
        with pytest.raises(BundleError, match=f"found the digest sha256.*; expected {digest}"):
            opened(bundle_path, expected_digest=digest)


def test_what_is_read_while_the_bundle_is_replaced_is_all_of_one(bundle_path, tmp_path, seal):
    other = tmp_path / "other"
    shutil.copytree(bundle_path, other)
    (other / "config.json").write_text('{"other": 1}')
    (other / "tokenizer_config.json").write_text('{"other": 1}')
    seal(other)
    read = []

    def both(bundle):
        read.append(bundle.read("config.json"))
        if len(read) == 1:
            bundle_path.rename(tmp_path / "old")
            other.rename(bundle_path)
        return bundle.digest, read[-1], bundle.read("tokenizer_config.json")

    digest, *found = read_bundle(bundle_path, both)
    assert found == [b'{"other": 1}'] * 2
    assert digest == file_digest(bundle_path / "clampdown.json")


def test_a_manifest_that_never_ends_is_not_read_to_its_end(bundle_path):
    with (bundle_path / "clampdown.json").open("ab") as file:
        file.truncate(2**40)
    with pytest.raises(BundleError, match=f"more than {LARGEST_MANIFEST} bytes"):
        open_bundle(bundle_path)
