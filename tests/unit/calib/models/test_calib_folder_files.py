"""Files that lead out of a model's folder or have no end are refused before anything is read."""

import os
import shutil

import pytest
from model_folders import configure

from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "vocab.txt", "config.json", "model.safetensors", "notes"]
)
def test_a_link_out_of_the_folder_is_refused_whatever_its_name(folder, tmp_path, name):
    configure(tmp_path)
    shutil.move(tmp_path / "config.json", tmp_path / "secret")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match=f"{name}: found a link that leaves the model's folder"):
        open_model(folder)


def test_a_link_to_another_folder_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="a link that leaves"):
        open_model(folder)


def test_links_within_the_folder_are_the_models_own(folder):
    (folder / "weights").mkdir()
    (folder / "model.safetensors").rename(folder / "weights" / "first")
    (folder / "model.safetensors").symlink_to("weights/first")
    assert open_model(folder).kind == "checkpoint"


@pytest.fixture
def cached(folder, tmp_path):
    """The folder as a hub's cache has it."""
    repository = tmp_path / "models--org--name"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(repository / "blobs" / f"sha{number}")
        (snapshot / path.name).symlink_to(f"../../blobs/sha{number}")
    return snapshot


def test_a_hubs_cache_is_links_into_the_files_of_the_same_repository(cached):
    assert open_model(cached).kind == "checkpoint"


def test_a_hubs_cache_with_a_link_elsewhere_is_refused(cached, tmp_path):
    (tmp_path / "secret").touch()
    (cached / "tokenizer_config.json").symlink_to("../../../secret")
    with pytest.raises(ModelError, match="a link that leaves"):
        open_model(cached)


def test_a_hubs_cache_whose_files_are_elsewhere_is_refused(cached, tmp_path):
    blobs = cached.parent.parent / "blobs"
    blobs.rename(tmp_path / "elsewhere")
    blobs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="a link that leaves"):
        open_model(cached)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt"])
def test_what_is_no_regular_file_is_refused_and_never_read(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=f"{name}: found no regular file"):
        open_model(folder)


def test_a_text_without_an_end_is_refused_and_what_is_not_read_whole_is_not(folder):
    for name in ("model.safetensors", "rust_model.ot", "model.gguf"):
        with (folder / name).open("wb") as file:
            file.truncate(2**30)
    open_model(folder)
    for name in ("vocab.txt",):
        with (folder / name).open("wb") as file:
            file.truncate(2**30)
    with pytest.raises(ModelError, match=f"vocab.txt: found {2**30} bytes"):
        open_model(folder)


def test_hidden_files_are_of_other_tools(folder, tmp_path):
    (folder / ".git").mkdir()
    (folder / ".git" / "hooks").symlink_to(tmp_path)
    (folder / ".gitattributes").symlink_to(tmp_path)
    open_model(folder)
