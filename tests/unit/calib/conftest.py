"""Folders with tiny models."""

import pytest
import tiny_transformers


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    """A random BERT as save_pretrained writes it; not to be changed."""
    return tiny_transformers.save_model(tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module", autouse=True)
def every_model_is_tiny(one_thread):
    """Here."""
