"""Which files a checkpoint's weights are read from, and which are refused."""

import pytest
from model_folders import configure, write_index

from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError


def test_checkpoint_in_parts(folder):
    for part in ("a.safetensors", "b.safetensors", "stray.safetensors", "stray.bin"):
        (folder / part).write_text(part)
    write_index(folder, "b.safetensors", "a.safetensors", "b.safetensors")
    model = open_model(folder)
    assert (model.kind, model.pickled) == ("checkpoint", False)
    names = ["model.safetensors.index.json", "a.safetensors", "b.safetensors"]
    assert [path.name for path in model.weights] == names


@pytest.mark.parametrize(
    "part",
    ["part.bin", "../part.safetensors", "sub/part.safetensors", "sub\\part.safetensors", 3, None],
)
def test_part_that_is_no_safetensors_file_in_the_folder_is_refused(folder, part):
    (folder / "sub").mkdir()
    for place in ("part.bin", "../part.safetensors", "sub/part.safetensors"):
        (folder / place).write_bytes(b"weights")
    write_index(folder, "a.safetensors", part)
    (folder / "a.safetensors").write_bytes(b"weights")
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json: found weights in"):
        open_model(folder, allow_pickle=True)


def test_absolute_part_is_refused(folder, tmp_path):
    (tmp_path / "part.safetensors").write_bytes(b"weights")
    write_index(folder, str(tmp_path / "part.safetensors"))
    with pytest.raises(ModelError, match="found weights in"):
        open_model(folder)


def test_part_of_an_allowed_pickle_lies_in_the_folder_too(folder, tmp_path):
    (tmp_path / "part.bin").write_bytes(b"weights")
    write_index(folder, "../part.bin", name="pytorch_model.bin.index.json")
    with pytest.raises(ModelError, match=r"found weights in '\.\./part\.bin'"):
        open_model(folder, allow_pickle=True)


def test_missing_part(folder):
    write_index(folder, "gone.safetensors")
    with pytest.raises(ModelError, match=r"found no file 'gone\.safetensors'"):
        open_model(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": []}', '"text"', "[" * 100_000])
def test_broken_write_index(folder, text):
    write_index(folder)
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match="expected an object `weight_map`"):
        open_model(folder)


@pytest.mark.parametrize("key", ["transformers_weights", "configuration_files"])
def test_configuration_that_names_other_files_is_refused(folder, key):
    configure(folder, **{key: "other.safetensors"})
    with pytest.raises(ModelError, match=f"found `{key}` in config.json"):
        open_model(folder, allow_pickle=True)
