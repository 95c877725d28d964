"""A checkpoint whose weights are a few bytes."""

import pytest
from model_folders import configure


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    configure(path)
    (path / "model.safetensors").write_bytes(b"weights")
    return path
