"""What an adapter's folder is taken for, and which adapters are refused, before any is loaded."""

import json
import shutil

import pytest
from model_folders import configure

from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError

SETTINGS = {
    "peft_type": "LORA",
    "task_type": "SEQ_CLS",
    "base_model_name_or_path": "../model",
    "r": 2,
    "target_modules": ["query", "value"],
    "modules_to_save": ["classifier", "score"],
    "init_lora_weights": True,
    # peft writes these into every file.
    "megatron_core": "megatron.core",
    "qalora_group_size": 16,
    "loftq_config": {},
    "use_qalora": False,
}


def save(adapter, **changes):
    settings = {k: v for k, v in {**SETTINGS, **changes}.items() if v is not ...}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))


@pytest.fixture
def adapter(folder, tmp_path):
    path = tmp_path / "adapter"
    path.mkdir()
    save(path)
    (path / "adapter_model.safetensors").write_bytes(b"matrices")
    return path


def test_adapter_takes_weights_and_configuration_from_its_base(adapter, folder):
    (folder / "tokenizer.json").touch()
    model = open_model(adapter)
    assert (model.kind, model.name, model.labels) == (
        "checkpoint",
        "adapter",
        ("negative", "positive"),
    )
    assert model.path.samefile(folder)
    assert [path.name for path in model.weights] == ["model.safetensors"]
    assert model.config_path.samefile(folder)
    assert model.tokenizer_path.samefile(folder)
    assert model.adapter.weights == adapter / "adapter_model.safetensors"
    assert model.adapter.settings == {
        key: SETTINGS[key] for key in ("r", "target_modules", "modules_to_save")
    }


def test_own_configuration_and_tokenizer_go_before_those_of_the_base(adapter, folder):
    configure(adapter, id2label={"0": "no", "1": "yes"})
    for place in (adapter, folder):
        (place / "tokenizer.json").touch()
    model = open_model(adapter)
    assert model.labels == ("no", "yes")
    assert (model.config_path, model.tokenizer_path) == (adapter, adapter)


def test_base_may_be_named_by_an_absolute_path(adapter, folder):
    save(adapter, base_model_name_or_path=str(folder))
    assert open_model(adapter).path == folder


def test_base_may_be_an_encoder_without_a_head(adapter, folder):
    configure(folder, architectures=["BertForMaskedLM"])
    assert open_model(adapter).config["architectures"] == ["BertForSequenceClassification"]


def test_base_of_an_architecture_without_classifiers_is_refused(adapter, folder):
    configure(folder, model_type="clip", architectures=["CLIPModel"])
    with pytest.raises(ModelError, match=r"ForSequenceClassification"):
        open_model(adapter)


@pytest.mark.parametrize(
    "changed",
    [
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/tokenizer.json",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    ],
)
def test_digest_covers_both_folders(adapter, folder, tmp_path, changed):
    for place in (adapter, folder):
        (place / "tokenizer.json").touch()
    before = open_model(adapter).digest()
    with (tmp_path / changed).open("a") as file:
        file.write(" ")
    assert open_model(adapter).digest() != before


def test_digest_does_not_depend_on_where_the_folders_are(adapter, folder, tmp_path):
    before = open_model(adapter).digest()
    for place in (adapter, folder):
        shutil.copytree(place, tmp_path / "elsewhere" / place.name)
    assert open_model(tmp_path / "elsewhere" / "adapter").digest() == before
    assert open_model(folder).digest() != before


@pytest.mark.parametrize("place", ["adapter", "model"])
def test_links_that_leave_either_folder_are_refused(adapter, tmp_path, place):
    (tmp_path / "secret").touch()
    (tmp_path / place / "vocab.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match=r"a link that leaves the model's folder"):
        open_model(adapter)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"peft_type": "IA3"}, "an adapter of the kind 'IA3' for the task 'SEQ_CLS'"),
        ({"peft_type": ...}, "an adapter of the kind None"),
        ({"task_type": "CAUSAL_LM"}, "for the task 'CAUSAL_LM'"),
        ({"megatron_config": {"a": 1}}, "megatron_config"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"of_a_later_release": 1}, "of_a_later_release 1"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights 'pissa_niter_4'"),
        ({"target_modules": "(.+)+x"}, r"the modules '\(\.\+\)\+x'"),
        ({"target_modules": [["query"]]}, r"the modules \['query'\]"),
        ({"rank_pattern": {"(.+)+x": 4}}, r"the modules '\(\.\+\)\+x'"),
    ],
)
def test_other_kinds_of_adapters_are_refused(adapter, changes, found):
    save(adapter, **changes)
    with pytest.raises(ModelError, match=found):
        open_model(adapter)


def test_all_linear_is_no_expression(adapter):
    save(adapter, target_modules="all-linear")
    assert open_model(adapter).adapter.settings["target_modules"] == "all-linear"


@pytest.mark.parametrize(
    "base", ["org/base", "../gone", "", ".", None, 3, "a\0b", "../model/config.json", "x" * 5000]
)
def test_base_that_is_no_other_folder_is_refused_with_what_to_do(adapter, base):
    save(adapter, base_model_name_or_path=base)
    with pytest.raises(ModelError, match="an adapter of the base model") as caught:
        open_model(adapter)
    assert "base_model_name_or_path" in caught.value.hint


def test_adapter_of_an_adapter_is_refused(adapter, folder):
    shutil.copy(adapter / "adapter_config.json", folder)
    with pytest.raises(ModelError, match="which is an adapter itself"):
        open_model(adapter)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_adapter_beside_the_weights_of_a_whole_model_is_refused(adapter, name):
    (adapter / name).touch()
    with pytest.raises(ModelError, match=f"the weights of a whole model \\({name}\\)"):
        open_model(adapter)


def test_pickled_adapter_is_refused_unless_allowed(adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"adapter_model\.bin.*--allow-pickle"):
        open_model(adapter)
    assert open_model(adapter, allow_pickle=True).adapter.weights.name == "adapter_model.bin"


def test_adapter_without_weights_is_refused(adapter):
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"an adapter without weights"):
        open_model(adapter)


def test_base_whose_weights_are_pickled_is_refused_by_its_own_name(adapter, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"model: found weights in pickled files only"):
        open_model(adapter)


def test_onnx_beside_the_base_is_not_taken_for_it(adapter, folder):
    (folder / "model.safetensors").rename(folder / "model.onnx")
    with pytest.raises(ModelError, match="no weights"):
        open_model(adapter)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "\xff"])
def test_broken_settings_are_refused(adapter, text):
    (adapter / "adapter_config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"adapter_config\.json"):
        open_model(adapter)
