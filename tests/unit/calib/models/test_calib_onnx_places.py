"""Where an ONNX file is looked for, under which names."""

import pytest
from foreign_onnx import save_folder

from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError

ODD = (
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model_fp16.onnx",
    "model_optimized.onnx",
    "my classifier.onnx",
)


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "model")


@pytest.fixture
def put(folder):
    def of(*names):
        (folder / "onnx").mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_bytes((folder / "model.onnx").read_bytes())
        return folder

    return of


@pytest.mark.parametrize("name", ODD)
def test_an_onnx_file_alone_is_found_by_any_name(put, name):
    folder = put(name)
    (folder / "model.onnx").unlink()
    assert open_model(folder).onnx_file == folder / name
    before = open_model(folder).digest()
    with (folder / name).open("ab") as file:
        file.write(b"more")
    assert open_model(folder).digest() != before


def test_its_usual_name_wins(put):
    folder = put(*ODD)
    assert open_model(folder).onnx_file == folder / "model.onnx"
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert open_model(folder).onnx_file == folder / "onnx" / "model.onnx"


def test_of_several_others_none_is_guessed(put):
    folder = put("onnx/model_fp16.onnx", "model_quantized.onnx")
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match="several ONNX files") as caught:
        open_model(folder)
    assert caught.value.found.endswith(": model_quantized.onnx, onnx/model_fp16.onnx")
    assert "keep the one to defend" in caught.value.hint


def test_hidden_files_are_none(put):
    folder = put(".model.onnx")
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match="found no weights"):
        open_model(folder)
