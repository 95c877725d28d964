"""The tensors of a checkpoint beside those of the architecture in its configuration."""

import json
import shutil

import lora_adapters
import numpy as np
import pytest
import tiny_transformers
from safetensors.numpy import load_file, save_file

from clampdown_calib import audit_model
from clampdown_calib.models.architectures import ARCHITECTURES

WEIGHT = "bert.encoder.layer.1.output.dense.weight"


@pytest.fixture
def changed(bert_folder, tmp_path):
    """Audits a copy of the folder whose tensors were changed in place."""

    def of(change):
        folder = shutil.copytree(bert_folder, tmp_path / "model")
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return [(f.kind, f.review, f.detail) for f in audit_model(folder).findings]

    return of


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_every_architecture_has_the_weights_that_it_reads(model_type, tmp_path):
    found = audit_model(tiny_transformers.save_model(tmp_path / "model", model_type))
    assert found.findings == ()


def test_weights_that_no_layer_reads_are_a_note(changed):
    [(kind, review, detail)] = changed(lambda t: t.update({"payload": np.ones(9, np.uint8)}))
    assert (kind, review) == ("weights", False)
    assert detail == "weights that no layer reads: payload"


def test_weights_that_are_not_there_are_reviewed(changed):
    [(kind, review, detail)] = changed(lambda t: t.pop(WEIGHT))
    assert (kind, review) == ("weights", True)
    assert WEIGHT in detail


def test_weights_of_another_shape_are_reviewed(changed):
    [(kind, review, detail)] = changed(lambda t: t.update({WEIGHT: np.ones((3, 3), np.float32)}))
    assert (kind, review) == ("weights", True)
    assert f"{WEIGHT} [3, 3] for [16, 32]" in detail


def test_lora_is_named(changed):
    name = f"{WEIGHT.removesuffix('.weight')}.lora_A.weight"
    [(kind, review, detail)] = changed(lambda t: t.update({name: np.ones((2, 2), np.float32)}))
    assert (kind, review) == ("weights", True)
    assert "LoRA" in detail
    assert name in detail


def test_old_and_short_names_are_those_of_the_network(changed):
    def rename(tensors):
        for name in list(tensors):
            new = name.removeprefix("bert.").replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[new] = tensors.pop(name)

    assert changed(rename) == []


@pytest.mark.parametrize("keep", [0, 7, 100, -3])
def test_a_damaged_file_is_a_finding(bert_folder, tmp_path, keep):
    folder = shutil.copytree(bert_folder, tmp_path / "model")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:keep])
    [finding] = audit_model(folder).findings
    assert (finding.kind, finding.file, finding.review) == ("damaged", "model.safetensors", True)


@pytest.mark.parametrize(
    ("change", "kind", "file"),
    [
        ({"num_hidden_layers": 10**9}, "refused", "."),
        ({"hidden_size": "x"}, "damaged", "config.json"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_a_finding(
    bert_folder, tmp_path, change, kind, file
):
    folder = shutil.copytree(bert_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    [finding] = audit_model(folder).findings
    assert (finding.kind, finding.file, finding.review) == (kind, file, True)


def test_adapter_is_named_with_its_base_and_its_head_is_that_of_the_network(bert_folder, tmp_path):
    base = shutil.copytree(bert_folder, tmp_path / "base")
    adapter = lora_adapters.save_adapter(tmp_path / "adapter", base)
    tensors = load_file(base / "model.safetensors")
    encoder = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
    save_file(encoder, base / "model.safetensors", {"format": "pt"})
    [finding] = audit_model(adapter).findings
    assert (finding.kind, finding.file, finding.review) == ("adapter", "adapter_config.json", False)
    assert finding.detail == f"LoRA of rank 2 on query, value, to be merged with {base}"
    (base / "run.py").touch()
    [code, _] = audit_model(adapter).findings
    assert (code.kind, code.file, code.review) == ("code", str(base / "run.py"), True)


def test_adapter_without_its_base_is_refused_with_what_to_do(bert_folder, tmp_path):
    base = shutil.copytree(bert_folder, tmp_path / "base")
    adapter = lora_adapters.save_adapter(tmp_path / "adapter", base)
    shutil.rmtree(base)
    [finding, *_] = audit_model(adapter).findings
    assert (finding.kind, finding.review) == ("refused", True)
    assert "base_model_name_or_path" in finding.detail
