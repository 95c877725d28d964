"""Layers of a transformer: found by number, name and glob, read, and really clipped."""

import json

import numpy as np
import pytest
import tiny_graph
import tiny_transformers
import torch

from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError, UnsupportedArchitectureError

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
BERT = ("bert.encoder.layer.0", "bert.encoder.layer.1")
ALBERT = "albert.encoder.albert_layer_groups.0.albert_layers.0"


@pytest.fixture(scope="module")
def models():
    return {name: tiny_transformers.transformer(name) for name in ("bert", "albert")}


def feed(rows=3, tokens=7):
    inputs = tiny_graph.batch(rows, tokens)
    inputs["input_ids"] %= 16
    return {**inputs, "token_type_ids": np.zeros((rows, tokens), np.int64)}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, BERT),
        (["0"], BERT[:1]),
        (["-1"], BERT[1:]),
        (["-1", "0", "1"], BERT),
        (["bert.encoder.layer.1"], BERT[1:]),
        (["bert.encoder.layer.*"], BERT),
        (["bert.encoder.layer.*.output", "0"], (BERT[0] + ".output", BERT[0], BERT[1] + ".output")),
        (["bert.embeddings", "-1"], ("bert.embeddings", BERT[1])),
    ],
)
def test_layers_of_bert(models, layers, expected):
    assert TorchClassifier(models["bert"], INPUTS, layers=layers).layer_names == expected


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (None, (f"{ALBERT}#0", f"{ALBERT}#1")),
        (["-1"], (f"{ALBERT}#1",)),
        ([f"{ALBERT}#0"], (f"{ALBERT}#0",)),
        ([ALBERT], (f"{ALBERT}#0", f"{ALBERT}#1")),
        ([f"{ALBERT}#*"], (f"{ALBERT}#0", f"{ALBERT}#1")),
    ],
)
def test_shared_layers_of_albert(models, layers, expected):
    assert TorchClassifier(models["albert"], INPUTS, layers=layers).layer_names == expected


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        (["2"], "2 blocks, and --layers 2"),
        (["-3"], "2 blocks, and --layers -3"),
        (["nothing.*"], "no module that matches nothing"),
        # A glob that matches nothing is not made up for by one that does.
        (["0", "nothing"], "no module that matches nothing"),
        (["²"], "no module that matches ²"),
        (["bert.pooler"], r"shape \[1, 16\] for 8 tokens as the output of bert.pooler"),
        (["bert.encoder"], "no tensor as the output of bert.encoder"),
    ],
)
def test_layers_that_are_not_there(models, layers, found):
    with pytest.raises(UnsupportedArchitectureError, match=found):
        TorchClassifier(models["bert"], INPUTS, layers=layers)


def test_unknown_architecture_is_refused_by_name_with_what_can_be_passed():
    model = tiny_transformers.transformer("ernie")
    with pytest.raises(UnsupportedArchitectureError) as caught:
        TorchClassifier(model, INPUTS)
    assert "'ernie'" in str(caught.value)
    assert "--layers" in str(caught.value)
    with pytest.raises(UnsupportedArchitectureError, match="no entry for this architecture"):
        TorchClassifier(model, INPUTS, layers=["0"])
    by_hand = TorchClassifier(model, INPUTS, layers=["ernie.encoder.layer.*"])
    assert len(by_hand.layers) == 2
    assert by_hand.representation == "first"


def test_inputs_that_the_model_does_not_take_are_left_out():
    config = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    classifier = TorchClassifier(tiny_transformers.transformer("distilbert", **config), INPUTS)
    assert classifier.inputs == ("input_ids", "attention_mask")


def test_activations_are_the_models_own(models):
    classifier = TorchClassifier(models["bert"], INPUTS)
    run = classifier.activations(feed())
    tensors = {name: torch.from_numpy(ids) for name, ids in feed().items()}
    with torch.no_grad():
        expected = models["bert"](**tensors, output_hidden_states=True)
    np.testing.assert_allclose(run.logits, expected.logits.numpy(), atol=1e-6)
    for found, hidden in zip(run.hidden, expected.hidden_states[1:], strict=True):
        np.testing.assert_allclose(found, hidden.numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["bert", "albert"])
def test_clipping_bounds_what_the_next_layer_reads(models, name):
    classifier = TorchClassifier(models[name], INPUTS)
    free = classifier.activations(feed())
    bounds = [(-0.3, 0.2), (-0.1, 0.4)]
    lower, upper = (np.array([[b[i]] * 16 for b in bounds], np.float32) for i in (0, 1))
    outputs = []

    def note(_module, _inputs, output):
        outputs.append(output[0] if isinstance(output, tuple) else output)

    modules = [
        models[name].get_submodule(module) for module in {la.module for la in classifier.layers}
    ]
    with classifier.clipping(torch.from_numpy(lower), torch.from_numpy(upper)):
        handles = [module.register_forward_hook(note) for module in modules]
        with torch.no_grad():
            logits = classifier.logits({k: torch.from_numpy(v) for k, v in feed().items()})
    for handle in handles:
        handle.remove()
    seen = [(out.min().item(), out.max().item()) for out in outputs]
    np.testing.assert_allclose(sorted(seen), sorted(bounds), rtol=1e-6)
    clipped = classifier.activations(feed(), clip=(lower, upper))
    np.testing.assert_allclose(clipped.logits, logits.numpy(), atol=1e-6)
    assert np.abs(clipped.logits - free.logits).max() > 1e-3
    # A layer's output is returned as it was before its own clip.
    np.testing.assert_array_equal(clipped.hidden[0], free.hidden[0])
    assert np.abs(clipped.hidden[1] - free.hidden[1]).max() > 1e-3
    # Nothing stays behind.
    np.testing.assert_array_equal(classifier.activations(feed()).logits, free.logits)


def test_shared_block_is_counted_anew_in_every_run(models):
    classifier = TorchClassifier(models["albert"], INPUTS)
    bounds = [torch.tensor([[b] * 16, [2 * b] * 16]) for b in (-0.1, 0.1)]
    tensors = {name: torch.from_numpy(ids) for name, ids in feed().items()}
    with torch.no_grad(), classifier.clipping(*bounds):
        first, again = classifier.logits(tensors), classifier.logits(tensors)
    assert torch.equal(first, again)


def test_only_the_chosen_execution_of_a_shared_block_is_clipped(models):
    both = TorchClassifier(models["albert"], INPUTS)
    last = TorchClassifier(models["albert"], INPUTS, layers=["-1"])
    zero = np.zeros((1, 16), np.float32)
    clipped = last.activations(feed(), clip=(zero, zero))
    np.testing.assert_array_equal(clipped.hidden[0], both.activations(feed()).hidden[1])
    assert np.ptp(clipped.logits, axis=0).max() < 1e-6


def test_checkpoint_is_loaded_in_float32(bert_folder, models):
    loaded = TorchClassifier.load(open_model(bert_folder), INPUTS)
    assert loaded.model.dtype == torch.float32
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    own = TorchClassifier(models["bert"], INPUTS)
    np.testing.assert_allclose(
        loaded.activations(feed()).logits, own.activations(feed()).logits, atol=1e-6
    )


def damaged(folder, change):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return open_model(folder)


def test_missing_head_is_refused(tmp_path):
    folder = tiny_transformers.save_model(tmp_path / "model")

    def drop(weights):
        del weights["classifier.weight"], weights["classifier.bias"]

    with pytest.raises(
        ModelError, match=r"no fitting weights for classifier.bias, classifier.weight"
    ):
        TorchClassifier.load(damaged(folder, drop), INPUTS)


def test_head_of_another_shape_is_refused(tmp_path):
    folder = tiny_transformers.save_model(tmp_path / "model")

    def widen(weights):
        weights["classifier.bias"] = torch.zeros(5)

    with pytest.raises(ModelError, match="checkpoint"):
        TorchClassifier.load(damaged(folder, widen), INPUTS)


def test_broken_weights_are_refused(tmp_path):
    folder = tiny_transformers.save_model(tmp_path / "model")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="Check that the files are complete"):
        TorchClassifier.load(open_model(folder), INPUTS)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        from pathlib import Path

        return Path.touch, (Path(self.path),)


def test_allowed_pickle_runs_no_code(tmp_path):
    folder = tiny_transformers.save_model(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    model = tiny_transformers.transformer()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    loaded = TorchClassifier.load(open_model(folder, allow_pickle=True), INPUTS)
    assert len(loaded.layers) == 2
    torch.save(
        {**model.state_dict(), "x": Bomb(str(tmp_path / "ran"))}, folder / "pytorch_model.bin"
    )
    with pytest.raises(ModelError):
        TorchClassifier.load(open_model(folder, allow_pickle=True), INPUTS)
    assert not (tmp_path / "ran").exists()


def test_code_beside_the_weights_never_runs(tmp_path):
    folder = tiny_transformers.save_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\n")
    assert len(TorchClassifier.load(open_model(folder), INPUTS).layers) == 2
    assert not (tmp_path / "ran").exists()


def test_network_that_fails_for_its_configuration_is_refused(tmp_path):
    tiny_transformers.save_model(tmp_path, chunk_size_feed_forward=3)
    with pytest.raises(ModelError, match="a failed run of 8 tokens"):
        TorchClassifier.load(open_model(tmp_path), ("input_ids", "attention_mask"))
