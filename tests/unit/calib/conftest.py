"""Folders with tiny models."""

import pytest
import tiny_transformers
import torch


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory):
    """A random BERT as save_pretrained writes it; not to be changed."""
    return tiny_transformers.save_model(tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads that wait for each other cost a tiny model more than its work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
