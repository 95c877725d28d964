"""What a folder brings besides configuration, tokenizer and weights."""

import bz2
import gzip
import io
import json
import os
import pickle
import shutil
import socket
import zlib

import numpy as np
import onnx
import pytest
import tiny_graph
import torch

from clampdown_calib import audit_model
from clampdown_runtime import ModelError


class Payload:
    """Would make a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.fixture
def folder(bert_folder, tmp_path):
    return shutil.copytree(bert_folder, tmp_path / "model")


def found(folder):
    return [(f.kind, f.file, f.review) for f in audit_model(folder).findings]


def found_though_refused(folder):
    refused, *others = found(folder)
    assert refused == ("refused", ".", True)
    return others


def test_a_clean_folder_has_no_findings(bert_folder):
    assert audit_model(bert_folder).findings == ()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["training_args.bin", "vocab.txt", "README.md"])
def test_a_pickle_of_any_name_and_protocol_is_found_and_not_opened(
    folder, tmp_path, protocol, name
):
    (folder / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol))
    [finding] = audit_model(folder).findings
    assert (finding.kind, finding.file, finding.review) == ("pickle", name, True)
    assert "posix mkdir" in finding.detail
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("way", ["zip", "legacy", "gzip", "bz2", "zlib", "numpy", "broken"])
def test_a_pickle_in_another_format_is_found(folder, tmp_path, way):
    data, buffer = pickle.dumps(Payload(tmp_path / "ran"), 4), io.BytesIO()
    if way in ("zip", "legacy"):
        torch.save({"w": torch.ones(3)}, buffer, _use_new_zipfile_serialization=way == "zip")
    elif way == "numpy":
        np.save(buffer, np.array([Payload(tmp_path / "ran")], object), allow_pickle=True)
    elif way == "broken":
        # It runs as far as it is whole.
        buffer.write(data[:-1] + b"\xff")
    else:
        buffer.write({"gzip": gzip, "bz2": bz2, "zlib": zlib}[way].compress(data))
    (folder / "extra").write_bytes(buffer.getvalue())
    assert found(folder) == [("pickle", "extra", True)]


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\ntree\nRabbit\n.",
        "cos\nsin\nbird\n",
        "(i\n",
        ".",
        "# A model\n",
        "x is a letter",
    ],
)
def test_a_text_is_no_pickle(folder, text):
    (folder / "vocab.txt").write_text(text)
    assert found(folder) == []


def test_a_name_of_a_pickle_is_enough(folder):
    (folder / "optimizer.pt").write_text("nothing")
    assert found(folder) == [("pickle", "optimizer.pt", True)]


def test_pickled_weights_alone_are_refused_too(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"w": torch.ones(3)}, folder / "pytorch_model.bin")
    assert found(folder) == [("refused", ".", True), ("pickle", "pytorch_model.bin", True)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("modeling_x.py", b"raise SystemExit"),
        ("lib.so", b""),
        ("tokenizer_extra", b"\x7fELF\x02\x01"),
        ("data/run", b"#!/bin/sh\n"),
    ],
)
def test_code_is_found(folder, name, data):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    assert found(folder) == [("code", name, True)]


@pytest.mark.parametrize("key", ["auto_map", "custom_pipelines"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_configurations_that_name_code_are_found(folder, key, file):
    config = json.loads((folder / file).read_text())
    config["inner"] = {key: {"AutoModel": "x.Y"}}
    (folder / file).write_text(json.dumps(config))
    assert found(folder) == [("code", file, True)]


def test_remote_code_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config.update(model_type="unheard-of", auto_map={"AutoModel": "x.Y"})
    (folder / "config.json").write_text(json.dumps(config))
    assert found(folder) == [("refused", ".", True), ("code", "config.json", True)]


def test_other_files_are_notes(folder):
    for name in ("tf_model.h5", "training_log.csv"):
        (folder / name).write_text("x")
    (folder / "chat_template.jinja").write_text("x")
    (folder / ".gitattributes").write_text("x")
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / ".git" / "hooks" / "post-merge").write_text("#!/bin/sh")
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "x.metadata").write_text("x")
    assert found(folder) == [
        ("file", ".git", False),
        ("file", "tf_model.h5", False),
        ("file", "training_log.csv", False),
    ]
    assert not audit_model(folder).review


def test_links_that_leave_are_found_and_not_followed(folder, tmp_path):
    (tmp_path / "secret.py").write_bytes(pickle.dumps(1))
    (folder / "vocab.txt").symlink_to(tmp_path / "secret.py")
    (folder / "more").symlink_to(tmp_path)
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / "round").symlink_to(folder / "round")
    (folder / "LICENSE").symlink_to("config.json")
    assert found_though_refused(folder) == [
        ("link", "gone", True),
        ("link", "more", True),
        ("link", "round", True),
        ("link", "vocab.txt", True),
    ]


def test_links_of_the_hub_cache_are_its_own(bert_folder, tmp_path):
    repository = tmp_path / "models--org--name"
    revision = repository / "snapshots" / "abc"
    revision.mkdir(parents=True)
    shutil.copytree(bert_folder, repository / "blobs")
    for blob in (repository / "blobs").iterdir():
        (revision / blob.name).symlink_to(f"../../blobs/{blob.name}")
    assert found(revision) == []
    (revision / "vocab.txt").symlink_to("../../../other")
    (tmp_path / "other").write_text("x")
    assert found_though_refused(revision) == [("link", "vocab.txt", True)]


def test_pipes_and_sockets_are_not_opened(folder, monkeypatch):
    os.mkfifo(folder / "vocab.txt")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("merges.txt")
        assert found_though_refused(folder) == [
            ("file", "merges.txt", True),
            ("file", "vocab.txt", True),
        ]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", '{"auto_map": {"a": "b"}, ', "\0"])
def test_a_damaged_configuration_is_a_finding(folder, text):
    (folder / "config.json").write_text(text)
    assert ("refused", ".", True) in found(folder)


def test_an_onnx_folder_is_audited(tmp_path):
    tiny_graph.save_onnx_model(tmp_path / "model")
    assert found(tmp_path / "model") == []
    model = onnx.load(tmp_path / "model" / "model.onnx")
    onnx.save(
        model,
        tmp_path / "model" / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert found(tmp_path / "model") == []
    (tmp_path / "model" / "other.bin").write_text("x")
    assert found(tmp_path / "model") == [("file", "other.bin", False)]


def test_an_onnx_file_beside_a_checkpoint_is_audited_too(folder):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model_quantized.onnx").write_bytes(b"\x08")
    assert found(folder) == [("damaged", "onnx/model_quantized.onnx", True)]


@pytest.mark.parametrize("name", ["nothing", "model/config.json"])
def test_what_is_no_model_is_refused(folder, name):
    with pytest.raises(ModelError, match=r"an \.onnx file"):
        audit_model(folder.parent / name)
