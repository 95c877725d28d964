"""The models that a user could train instead: what they are made of, and what they answer."""

import json

import numpy as np
import pytest
import tiny_transformers
import torch

from benchmarks import demo_victim, retrained
from benchmarks.demo_victim import DemoVictim
from benchmarks.retrained import SETTINGS, Retrained, checkpoint_classes
from benchmarks.victims import DEVICE
from clampdown.demo.labelled_text import LabelledText, write_rows

ROWS = [LabelledText(f"good film {i}", i % 2) for i in range(30)]


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    """Takes the place of the public encoder; the cache is empty."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"encoder")
    monkeypatch.setattr(demo_victim, "minilm", lambda: folder)
    monkeypatch.setattr(retrained, "CACHE", tmp_path / "cache")
    return folder


@pytest.fixture
def victim(tmp_path):
    made = DemoVictim(tmp_path / "demo")
    made.folder.mkdir(parents=True)
    (made.folder / "model.safetensors").write_bytes(b"victim")
    write_rows(made.calibration, ROWS)
    return made


@pytest.mark.parametrize("from_victim", [True, False])
def test_the_folder_follows_from_everything_that_makes_the_model(victim, encoder, from_victim):
    def folder(rows=10):
        return Retrained(victim, rows, from_victim).folder

    first = folder()
    assert folder() == first
    assert first.parent.name == "retrained"
    assert first.name.startswith("tweets-")
    others = {Retrained(victim, 10, not from_victim).folder, folder(11), folder(None)}
    start, beside = victim.folder, encoder
    if not from_victim:
        start, beside = beside, start
    (beside / "model.safetensors").write_bytes(b"another")
    assert folder() == first
    (start / "model.safetensors").write_bytes(b"another")
    others.add(folder())
    write_rows(victim.calibration, ROWS[::-1])
    others.add(folder())
    assert len(others) == 5
    assert first not in others


def test_other_settings_have_another_folder(victim, encoder, monkeypatch):
    first = Retrained(victim, None, from_victim=True).folder
    monkeypatch.setitem(SETTINGS, "epochs", SETTINGS["epochs"] + 1)
    assert Retrained(victim, None, from_victim=True).folder != first


@pytest.mark.parametrize("from_victim", [True, False])
def test_the_first_clean_rows_train_it_once(victim, encoder, monkeypatch, from_victim):
    calls = []

    def fine_tune(rows, names, start, out, **settings):
        calls.append((rows, names, start, out, settings))
        out.mkdir(parents=True)

    monkeypatch.setattr(retrained, "fine_tune", fine_tune)
    model = Retrained(victim, 10, from_victim)
    threads = torch.get_num_threads()
    try:
        assert model.train() == model.train() == model.folder
    finally:
        torch.set_num_threads(threads)
    start = victim.folder if from_victim else encoder
    settings = {**SETTINGS, "device": DEVICE}
    assert calls == [(ROWS[:10], ("negative", "positive"), start, model.folder, settings)]


def test_a_checkpoints_classes_are_those_of_each_text_alone(tmp_path):
    folder = tiny_transformers.save_model(tmp_path / "model", num_labels=3)
    texts = tuple(tiny_transformers.texts(70))
    found = checkpoint_classes(folder, texts)
    model = tiny_transformers.transformer(num_labels=3)
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    expected = []
    for text in texts:
        ids = torch.tensor([[2, *(words[word] for word in text.split()), 3]])
        with torch.no_grad():
            expected.append(int(model(input_ids=ids).logits.argmax()))
    np.testing.assert_array_equal(found, expected)
    assert len(set(expected)) > 1
    assert len({len(text.split()) for text in texts}) > 1
