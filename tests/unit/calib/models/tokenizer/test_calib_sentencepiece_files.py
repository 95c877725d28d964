"""Without the package that reads it, a vocabulary of SentencePiece is refused by name."""

import importlib.util

import pytest

from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.tokenizer import sentencepiece_files
from clampdown_calib.models.tokenizer.sentencepiece_files import require_sentencepiece
from clampdown_runtime import ModelError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "spiece.model").touch()
    return ModelFolder(
        path=tmp_path,
        kind="checkpoint",
        name="model",
        model_type="albert",
        labels=("a", "b"),
        config={},
        config_path=tmp_path,
        tokenizer_path=tmp_path,
        onnx_file=None,
        weights=(),
        pickled=False,
    )


@pytest.fixture
def without_package(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        sentencepiece_files.importlib.util,
        "find_spec",
        lambda name: None if name == "sentencepiece" else find(name),
    )


def test_missing_package_is_named(folder, without_package):
    with pytest.raises(ModelError, match="pip install sentencepiece") as caught:
        require_sentencepiece(folder)
    assert "spiece.model" in str(caught.value)


def test_package_or_whole_tokenizer_is_enough(folder, monkeypatch):
    require_sentencepiece(folder)
    monkeypatch.setattr(sentencepiece_files.importlib.util, "find_spec", lambda _: None)
    (folder.path / "tokenizer.json").touch()
    require_sentencepiece(folder)
