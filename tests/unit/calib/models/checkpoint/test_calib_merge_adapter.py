"""A merged adapter gives the logits of peft's own model, or is refused."""

import importlib.util
import json

import lora_adapters
import numpy as np
import pytest
import tiny_transformers
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from clampdown_calib.models.checkpoint.load_checkpoint import load_checkpoint
from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError

IDS = torch.from_numpy(np.random.default_rng(0).integers(4, 16, (5, 9)))
QUERY = "base_model.model.bert.encoder.layer.0.attention.self.query"


def unmerged(folder, base, **more):
    """Logits of peft's model, which adds the matrices' product to every layer's output."""
    model = AutoModelForSequenceClassification.from_pretrained(base, **more)
    with torch.no_grad():
        return PeftModel.from_pretrained(model, folder).eval()(input_ids=IDS).logits.numpy()


def merged(folder, **more):
    with torch.no_grad():
        return load_checkpoint(open_model(folder, **more)).eval()(input_ids=IDS).logits.numpy()


def change(folder, do):
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    do(tensors)
    save_file(tensors, file, {"format": "pt"})


@pytest.fixture
def adapter(bert_folder, tmp_path):
    return lora_adapters.save_adapter(tmp_path / "adapter", bert_folder)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"r": 4, "lora_alpha": 3, "use_rslora": True, "target_modules": "all-linear"},
        {"use_dora": True, "target_modules": ["query", "dense"]},
        {"bias": "lora_only", "rank_pattern": {"value": 3}, "alpha_pattern": {"query": 5}},
        {"bias": "all", "layers_to_transform": [1], "target_modules": ["query"]},
        {"modules_to_save": ["pooler"], "init_lora_weights": "gaussian"},
        {"target_modules": ["word_embeddings"]},
    ],
)
def test_logits_are_those_of_the_unmerged_model(bert_folder, tmp_path, settings):
    folder = lora_adapters.save_adapter(tmp_path / "adapter", bert_folder, **settings)
    expected = unmerged(folder, bert_folder)
    np.testing.assert_allclose(merged(folder), expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        base = AutoModelForSequenceClassification.from_pretrained(bert_folder)
        assert np.abs(base(input_ids=IDS).logits.numpy() - expected).max() > 0.1


def test_nothing_of_peft_is_left(adapter, bert_folder):
    model, base = load_checkpoint(open_model(adapter)), load_checkpoint(open_model(bert_folder))
    assert type(model) is type(base)
    assert model.state_dict().keys() == base.state_dict().keys()


@pytest.mark.parametrize(
    ("model_type", "module"), [("distilbert", "q_lin"), ("gpt2", "c_attn"), ("roberta", "query")]
)
def test_heads_of_other_architectures(model_type, module, tmp_path):
    more = {"type_vocab_size": 1} if model_type == "roberta" else {}
    base = tiny_transformers.save_model(tmp_path / "base", model_type, **more)
    folder = lora_adapters.save_adapter(tmp_path / "adapter", base, target_modules=[module])
    np.testing.assert_allclose(merged(folder), unmerged(folder, base), rtol=1e-4, atol=1e-4)


def test_head_of_more_classes_needs_their_names(bert_folder, tmp_path):
    folder = lora_adapters.save_adapter(tmp_path / "adapter", bert_folder, classes=3)
    with pytest.raises(ModelError, match=r"classifier\.bias \[3\] instead of \[2\]") as caught:
        merged(folder)
    assert "id2label" in caught.value.hint
    config = json.loads((bert_folder / "config.json").read_text())
    names = {"0": "no", "1": "perhaps", "2": "yes"}
    (folder / "config.json").write_text(json.dumps({**config, "id2label": names}))
    assert open_model(folder).labels == ("no", "perhaps", "yes")
    expected = unmerged(folder, bert_folder, num_labels=3, ignore_mismatched_sizes=True)
    np.testing.assert_allclose(merged(folder), expected, rtol=1e-4, atol=1e-4)


def test_base_without_a_head_gets_the_adapter_s(adapter, bert_folder, tmp_path):
    expected = merged(adapter)
    base = tmp_path / "base"
    AutoModelForSequenceClassification.from_pretrained(bert_folder).bert.save_pretrained(base)
    settings = json.loads((adapter / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = "../base"
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    np.testing.assert_array_equal(merged(adapter), expected)


def test_base_without_more_than_the_head_is_refused(tmp_path):
    base = tiny_transformers.save_model(tmp_path / "base")
    folder = lora_adapters.save_adapter(tmp_path / "adapter", base)
    weights = load_file(base / "model.safetensors")
    encoder = {name: t for name, t in weights.items() if "pooler" not in name}
    save_file(encoder, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"no .* for bert\.pooler\.dense\.bias") as caught:
        merged(folder)
    assert "modules_to_save" in caught.value.hint


def test_half_precision_is_added_in_float32(adapter, bert_folder):
    change(adapter, lambda t: t.update({name: x.half() for name, x in t.items()}))
    expected = unmerged(adapter, bert_folder)
    np.testing.assert_allclose(merged(adapter), expected, rtol=1e-5, atol=1e-5)


def test_allowed_pickle_is_read(adapter):
    expected = merged(adapter)
    file = adapter / "adapter_model.safetensors"
    torch.save(load_file(file), adapter / "adapter_model.bin")
    file.unlink()
    np.testing.assert_array_equal(merged(adapter, allow_pickle=True), expected)


@pytest.mark.parametrize(
    ("do", "found"),
    [
        (lambda t: t.pop(f"{QUERY}.lora_B.weight"), f"no {QUERY}.lora_B.weight"),
        (lambda t: t.pop("base_model.model.classifier.bias"), r"no .*classifier\.bias"),
        (lambda t: t.update({"more": torch.ones(1)}), "more, which it has no place for"),
        (
            lambda t: t.update({f"{QUERY}.lora_A.weight": torch.ones(3, 16)}),
            r"lora_A\.weight \[3, 16\] instead of \[2, 16\]",
        ),
    ],
)
def test_other_tensors_than_the_adapter_s_are_refused(adapter, do, found):
    change(adapter, do)
    with pytest.raises(ModelError, match=found):
        merged(adapter)


def test_modules_that_the_base_lacks_are_refused(adapter):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "target_modules": ["q_proj"]}))
    with pytest.raises(ModelError, match="expected one that peft merges"):
        merged(adapter)


def test_damaged_weights_are_refused(adapter):
    (adapter / "adapter_model.safetensors").write_bytes(b"{")
    with pytest.raises(ModelError, match="expected the tensors of an adapter"):
        merged(adapter)


@pytest.mark.parametrize(
    ("rank", "found"),
    [
        (2**20, r"lora_A\.weight \[2, 16\] instead of \[1048576, 16\]"),
        (2**50, "RuntimeError"),
        (0, "ValueError"),
        ("2", "TypeError"),
    ],
)
def test_another_rank_is_refused(adapter, rank, found):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "r": rank}))
    with pytest.raises(ModelError, match=found):
        merged(adapter)


def test_without_peft_the_extra_is_named(adapter, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "peft" else find(name)
    )
    with pytest.raises(ModelError, match=r"clampdown\[lora\]"):
        merged(adapter)
