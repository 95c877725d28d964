"""Bundles whose weights are more than one file holds: a tiny model, and a limit that it exceeds."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnx_variants
import pytest
import tiny_transformers
import torch
from tiny_bundle import seal

from clampdown import defend
from clampdown.page.site import write_site
from clampdown_calib import calibrate
from clampdown_calib.graphs import large_graphs
from clampdown_exporter import compare, export, move_threshold, verify, write_undefended
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_runtime import (
    BundleError,
    ClampdownError,
    DefendedClassifier,
    ExportError,
    open_bundle,
)

pytestmark = pytest.mark.usefixtures("one_thread", "low_limit")

GRAPH, WEIGHTS = "onnx/model.onnx", "onnx/model.onnx_data"
LIMIT = 2000
"""Bytes; the tiny models have more, and in every precision a weight that lies apart."""


@pytest.fixture(scope="module")
def low_limit():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_graphs, "LARGEST_GRAPH", LIMIT)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A random BERT and clean rows for it."""
    place = tmp_path_factory.mktemp("large")
    tiny_transformers.save_model(place / "model", hidden_size=32, intermediate_size=64)
    rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(120)]
    (place / "clean.jsonl").write_text("\n".join(rows))
    return place


@pytest.fixture(scope="module")
def large(place, low_limit):
    """Its bundle, not to be changed."""
    return defend(place / "model", place / "clean.jsonl", place / "bundle").bundle


@pytest.fixture
def bundle(large, tmp_path):
    return shutil.copytree(large, tmp_path / "bundle")


def logits(bundle, **options):
    classifier = DefendedClassifier.load(bundle)
    rows = [encoded.ids for encoded in classifier.tokenizer.encode(tiny_transformers.texts(20))]
    return rows, classifier.run_ids(rows, **options).logits


def test_weights_lie_in_a_listed_file_beside_the_graph(large):
    manifest = open_bundle(large).manifest
    assert manifest.weights_file == WEIGHTS
    graph = onnx.load(large / GRAPH, load_external_data=False)
    apart = {t.name: t for t in graph.graph.initializer if t.external_data}
    sizes = {t.name: np.prod(t.dims) * 4 for t in graph.graph.initializer if t.data_type == 1}
    assert apart.keys() == {name for name, size in sizes.items() if size > large_graphs.APART}
    assert {e.value for t in apart.values() for e in t.external_data if e.key == "location"} == {
        "model.onnx_data"
    }
    assert (large / WEIGHTS).stat().st_size >= sum(sizes[name] for name in apart)
    assert verify(large) == []


def test_answers_are_those_of_transformers_and_of_one_file(large, place, tmp_path, monkeypatch):
    rows, found = logits(large, threshold=np.inf)
    model = tiny_transformers.transformer(hidden_size=32, intermediate_size=64)
    with torch.no_grad():
        expected = [model(torch.tensor([row])).logits[0].numpy() for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    monkeypatch.setattr(large_graphs, "LARGEST_GRAPH", 2**31)
    one = defend(place / "model", place / "clean.jsonl", tmp_path / "one").bundle
    assert not (one / WEIGHTS).exists()
    np.testing.assert_array_equal(logits(large)[1], logits(one)[1])
    assert (one / "config.json").read_bytes() == (place / "model" / "config.json").read_bytes()


def test_transformers_js_is_told_of_the_file(large, place):
    written = json.loads((large / "config.json").read_text())
    assert written.pop("transformers.js_config") == {"use_external_data_format": True}
    assert written == json.loads((place / "model" / "config.json").read_text())


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory):
    """A classifier in ONNX whose weights lie in a file beside it."""
    model = tmp_path_factory.mktemp("onnx") / "model"
    onnx_variants.save_finite_model(model)
    onnx_variants.external(model / "model.onnx")
    return model


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_precision(onnx_model, place, tmp_path, monkeypatch, precision):
    # Half and a quarter of the bytes are too many, too.
    monkeypatch.setattr(large_graphs, "LARGEST_GRAPH", 100)
    monkeypatch.setattr(large_graphs, "APART", 100)
    rows, calibration = place / "clean.jsonl", tmp_path / "calibration"
    calibrate(onnx_model, rows, calibration, layers=("v4", "v10"), precision=precision)
    bundle = export(onnx_model, calibration, tmp_path / "bundle").bundle
    assert open_bundle(bundle).manifest.weights_file is not None
    assert verify(bundle) == []


def test_the_published_method_whose_loop_reads_the_same_weights(place, tmp_path):
    bundle = tmp_path / "bundle"
    defend(place / "model", place / "clean.jsonl", bundle, method="badacts", epochs=1)
    assert open_bundle(bundle).manifest.weights_file is not None
    assert verify(bundle) == []


def test_a_moved_threshold_takes_the_same_file(bundle):
    before = open_bundle(bundle).manifest
    file = (bundle / WEIGHTS).stat()
    after = move_threshold(bundle, value=1e9)
    assert os.path.samestat((bundle / WEIGHTS).stat(), file)
    assert (bundle / WEIGHTS).stat().st_nlink == 1
    assert after.files[WEIGHTS] == before.files[WEIGHTS]
    assert after.files[GRAPH] != before.files[GRAPH]
    assert verify(bundle) == []
    np.testing.assert_array_equal(logits(bundle)[1], logits(bundle, threshold=np.inf)[1])


def test_a_file_system_without_links_gets_a_copy(bundle, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    before = (bundle / WEIGHTS).read_bytes()
    move_threshold(bundle, value=1e9)
    assert (bundle / WEIGHTS).read_bytes() == before
    assert verify(bundle) == []


def test_weights_that_change_before_they_are_linked_leave_the_bundle(bundle, monkeypatch):
    link, before = os.link, (bundle / GRAPH).read_bytes()

    def change_first(source, target):
        with Path(source).open("r+b") as file:
            file.write(b"other")
        link(source, target)

    monkeypatch.setattr(os, "link", change_first)
    with pytest.raises(BundleError, match="other contents than a moment ago"):
        move_threshold(bundle, value=1e9)
    assert (bundle / GRAPH).read_bytes() == before


def test_the_undefended_graph_is_written_in_two_files_and_compared(large, tmp_path):
    write_undefended(open_bundle(large), tmp_path / "undefended.onnx")
    assert (tmp_path / "undefended.onnx_data").is_file()
    found = compare(tmp_path / "undefended.onnx", large)
    assert found.whole
    assert found.logits is not None
    with (tmp_path / "undefended.onnx_data").open("r+b") as file:
        file.write(b"other weights")
    assert not compare(tmp_path / "undefended.onnx", large).whole


def test_the_page_refuses_what_no_browser_holds(large, tmp_path):
    with pytest.raises(ClampdownError, match="more than 2 GB of weights"):
        write_site(open_bundle(large), tmp_path)


@pytest.mark.parametrize("options", [{"file_format": "ort"}, {"with_tokenizer": True}])
def test_files_with_all_weights_inside_are_refused(place, tmp_path, options):
    with pytest.raises(ExportError, match="GB of weights; expected as much as one file holds"):
        defend(place / "model", place / "clean.jsonl", tmp_path / "bundle", **options)
    assert not (tmp_path / "bundle").exists()


CHANGES = {
    "another file": {"location": "other.bin"},
    "outside": {"location": "../model.onnx_data"},
    "no number": {"offset": "x"},
    "before the file": {"offset": "-4"},
    "behind the file": {"offset": "1000000000"},
    "beyond any file": {"offset": str(2**63 - 8)},
    "another length": {"length": "4"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_places_that_the_manifest_does_not_list_are_refused(bundle, change, monkeypatch):
    shutil.copy(bundle / WEIGHTS, bundle / "onnx" / "other.bin")
    graph = onnx.load(bundle / GRAPH, load_external_data=False)
    tensor = next(t for t in graph.graph.initializer if t.external_data)
    for entry in tensor.external_data:
        entry.value = change.get(entry.key, entry.value)
    (bundle / GRAPH).write_bytes(graph.SerializeToString())
    seal(bundle)
    # Where the names would lead, were they taken from here.
    monkeypatch.chdir(bundle / "onnx")
    with pytest.raises(BundleError, match="cannot load"):
        DefendedClassifier.load(bundle)
    with pytest.raises(BundleError, match="no valid ONNX graph"):
        read_graph(open_bundle(bundle))


def test_weights_that_change_behind_the_check_are_not_loaded(bundle):
    opened = open_bundle(bundle)
    with (bundle / WEIGHTS).open("r+b") as file:
        file.write(b"other")
    with pytest.raises(BundleError, match=r"model\.onnx_data: found other contents"):
        opened.read_weights()
    with pytest.raises(BundleError, match=r"model\.onnx_data \(different\)"):
        DefendedClassifier.load(bundle)


def test_views_are_the_bytes_that_were_checked(bundle):
    graph = read_graph(open_bundle(bundle))
    (bundle / WEIGHTS).unlink()
    assert all(value.const_value.numpy() is not None for value in graph.graph.initializers.values())
