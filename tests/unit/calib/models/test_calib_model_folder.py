"""What a model folder is, what is refused, and what its digest covers."""

import shutil

import pytest
from model_folders import configure, write_index

from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError


def test_checkpoint(folder):
    model = open_model(folder)
    assert (model.kind, model.name, model.model_type) == ("checkpoint", "model", "bert")
    assert model.labels == ("negative", "positive")
    assert model.onnx_file is None
    assert not model.pickled


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx"])
def test_onnx_folder(folder, place):
    (folder / "model.safetensors").unlink()
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).touch()
    configure(folder, architectures=..., auto_map={"AutoConfig": "x.Y"}, model_type="home-made")
    model = open_model(folder)
    assert (model.kind, model.onnx_file) == ("onnx", folder / place)


def test_checkpoint_wins_over_onnx(folder):
    (folder / "model.onnx").touch()
    assert (open_model(folder).kind, open_model(folder).onnx_file) == ("checkpoint", None)


def test_folder_named_by_a_dot_has_its_own_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert open_model(".").name == "model"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model.bin.index.json"])
def test_pickle_is_refused_unless_allowed(folder, name):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    if name.endswith(".json"):
        (folder / "pytorch_model.bin").rename(folder / "part.bin")
        write_index(folder, "part.bin", name=name)
    with pytest.raises(ModelError, match=r"pickled.*--allow-pickle"):
        open_model(folder)
    assert open_model(folder, allow_pickle=True).pickled


def test_pickle_beside_onnx_is_not_loaded_unless_allowed(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "model.onnx").touch()
    assert (open_model(folder).kind, open_model(folder).pickled) == ("onnx", False)
    allowed = open_model(folder, allow_pickle=True)
    assert (allowed.kind, allowed.pickled) == ("checkpoint", True)


def test_pickle_beside_safetensors_is_not_loaded(folder):
    (folder / "pytorch_model.bin").touch()
    assert not open_model(folder, allow_pickle=True).pickled


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no weights; expected one of model.safetensors"):
        open_model(folder)


@pytest.mark.parametrize("text", [None, "{", "[1]", "[" * 100_000])
def test_configuration_missing_or_broken(folder, text):
    (folder / "config.json").unlink()
    if text is not None:
        (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        open_model(folder)


@pytest.mark.parametrize("heads", [["BertForMaskedLM"], [], None, "Bert", ["BertModel"], 3])
def test_other_head(folder, heads):
    configure(folder, architectures=heads)
    with pytest.raises(ModelError, match="ForSequenceClassification"):
        open_model(folder)


def test_remote_code_is_refused(folder):
    code = {"AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"}
    configure(folder, model_type="home-made", auto_map=code)
    (folder / "evil.py").write_text("raise SystemExit('code of the model ran')")
    with pytest.raises(ModelError, match=r"remote code.*never runs"):
        open_model(folder)
    # Where transformers has an architecture of that name it takes its own.
    configure(folder, auto_map=code)
    assert open_model(folder).model_type == "bert"


@pytest.mark.parametrize(
    "changes",
    [
        {"id2label": {"0": "score"}},
        {"id2label": ..., "num_labels": 1},
        {"id2label": {"0": "score"}, "problem_type": "single_label_classification"},
        {"problem_type": "regression"},
        {"problem_type": ["multi_label_classification"]},
    ],
)
def test_no_classifier(folder, changes):
    configure(folder, **changes)
    with pytest.raises(ModelError, match="chooses one of its classes or gives any number"):
        open_model(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "single_label_classification"),
        ({"problem_type": "single_label_classification"}, "single_label_classification"),
        ({"problem_type": "multi_label_classification"}, "multi_label_classification"),
        (
            {"id2label": {"0": "toxic"}, "problem_type": "multi_label_classification"},
            "multi_label_classification",
        ),
    ],
)
def test_what_the_logits_mean(folder, changes, problem):
    configure(folder, **changes)
    assert open_model(folder).problem_type == problem


@pytest.mark.parametrize(
    "labels",
    [
        {"a": "negative", "b": "positive"},
        {"1": "negative", "2": "positive"},
        {"0": "same", "1": "same"},
        {"0": "half \ud800", "1": "b"},
        {},
        ["negative", "positive"],
        7,
    ],
)
def test_labels_that_name_no_classes(folder, labels):
    configure(folder, id2label=labels)
    with pytest.raises(ModelError, match=r"config.json of .*id2label"):
        open_model(folder)


def test_labels_are_in_the_order_of_the_classes(folder):
    configure(folder, id2label={str(i): f"class {i}" for i in reversed(range(12))})
    assert open_model(folder).labels == tuple(f"class {i}" for i in range(12))


def test_labels_by_default(folder):
    configure(folder, id2label=...)
    assert open_model(folder).labels == ("LABEL_0", "LABEL_1")
    configure(folder, id2label=..., num_labels="two")
    with pytest.raises(ModelError, match="num_labels 'two'"):
        open_model(folder)


def test_file_instead_of_the_folder(folder):
    with pytest.raises(ModelError, match="found a file; expected the folder"):
        open_model(folder / "model.safetensors")


@pytest.mark.parametrize("name", ["./nothing", "../a/b/c"])
def test_folder_that_does_not_exist(name):
    with pytest.raises(ModelError, match="no such folder"):
        open_model(name)


def test_hub_that_cannot_be_reached(monkeypatch):
    import huggingface_hub

    def offline(*_args, **_keys):
        raise ConnectionError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ModelError, match=r"no hub model by that name could be had \(offline\)"):
        open_model("org/name")


FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
)


def test_digest_covers_every_byte_that_decides_a_result(folder):
    for name in FILES[1:]:
        (folder / name).write_bytes(name.encode())
    digests = {open_model(folder).digest()}
    assert open_model(folder).digest() in digests
    for name in FILES:
        data = (folder / name).read_bytes()
        changed = data.replace(b"positive", b"pozitive") if name == "config.json" else data + b"x"
        (folder / name).write_bytes(changed)
        digests.add(open_model(folder).digest())
    (folder / "vocab.txt").unlink()
    digests.add(open_model(folder).digest())
    assert len(digests) == len(FILES) + 2


def test_digest_covers_every_part_and_the_index(folder):
    (folder / "a.safetensors").write_bytes(b"a")
    (folder / "b.safetensors").write_bytes(b"b")
    write_index(folder, "a.safetensors", "b.safetensors")
    digests = {open_model(folder).digest()}
    for name in ("a.safetensors", "b.safetensors", "model.safetensors.index.json"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        digests.add(open_model(folder).digest())
    assert len(digests) == 4


def test_digest_leaves_out_what_decides_nothing(folder, tmp_path):
    before = open_model(folder).digest()
    for name in ("README.md", "pytorch_model.bin", "other.safetensors", "training_args.bin"):
        (folder / name).write_text("about")
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert open_model(moved).digest() == before


def test_a_number_of_classes_that_no_model_has_is_refused(folder):
    configure(folder, id2label=..., num_labels=10**9)
    with pytest.raises(ModelError, match="num_labels 1000000000"):
        open_model(folder)


@pytest.mark.parametrize("key", ["num_hidden_layers", "n_layer", "inner_group_num"])
def test_a_network_without_an_end_is_refused(folder, key):
    configure(folder, **{key: 2**31})
    with pytest.raises(ModelError, match=f"`{key}` {2**31}"):
        open_model(folder)
