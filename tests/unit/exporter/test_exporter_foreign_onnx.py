"""Bundles of ONNX classifiers as they are found answer as the file itself does, row by row."""

import json
import shutil

import numpy as np
import onnx
import onnx_ir as ir
import onnx_variants
import pytest
import tiny_graph
import tiny_transformers
from onnx_variants import plain_batch, plain_logits
from safetensors.numpy import load_file

from clampdown import defend
from clampdown_calib import calibrate
from clampdown_exporter import compare, export, verify
from clampdown_runtime import DefendedClassifier, ModelError

LAYERS = ("v4", "v10")
ROWS = tiny_graph.encoded_rows(24).ids
CLOSE = {"fp32": 1e-5, "fp16": 1e-2, "int8": 1e-5}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model in float32 and clean rows for it."""
    place = tmp_path_factory.mktemp("foreign")
    onnx_variants.save_finite_model(place / "model")
    rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(120)]
    (place / "clean.jsonl").write_text("\n".join(rows))
    return place


@pytest.fixture
def variant(place, tmp_path):
    """Makes a variant of the model; gives its folder."""

    def of(*changes, name="model.onnx"):
        folder = shutil.copytree(place / "model", tmp_path / "model")
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        (folder / "model.onnx").rename(path)
        for change in changes:
            change(path)
        return folder

    return of


def defended(place, folder, out, precision):
    """The bundle, by both commands, of which the second has to find the graph again."""
    calibration, bundle = out / "calibration", out / "bundle"
    calibrate(folder, place / "clean.jsonl", calibration, layers=LAYERS, precision=precision)
    export(folder, calibration, bundle)
    assert verify(bundle) == []
    return bundle


VARIANTS = {
    "as it is": ((), "fp32", "model.onnx", "logits"),
    "quantized": ((onnx_variants.quantized,), "int8", "onnx/model_quantized.onnx", "logits"),
    "half": ((onnx_variants.half,), "fp16", "onnx/model_fp16.onnx", "logits"),
    "half within": ((onnx_variants.half_within,), "fp16", "model_fp16.onnx", "logits"),
    "int32": ((onnx_variants.int32_inputs,), "fp32", "model.onnx", "logits"),
    "renamed": ((onnx_variants.renamed_logits,), "fp32", "model_optimized.onnx", "output_0"),
    "weights listed": ((onnx_variants.listed_weights,), "fp32", "model.onnx", "logits"),
    "external": ((onnx_variants.external,), "fp32", "onnx/model.onnx", "logits"),
    "all of it": (
        (
            onnx_variants.renamed_logits,
            onnx_variants.int32_inputs,
            onnx_variants.quantized,
            onnx_variants.external,
        ),
        "int8",
        "classifier.onnx",
        "output_0",
    ),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_unflagged_rows_get_the_logits_of_the_file(place, variant, tmp_path, kind):
    changes, precision, name, output = VARIANTS[kind]
    folder = variant(*changes, name=name)
    bundle = defended(place, folder, tmp_path, precision)
    classifier = DefendedClassifier.load(bundle)
    assert classifier.manifest.precision == precision
    found = classifier.run_ids(ROWS, threshold=np.inf).logits
    expected = plain_logits(folder / name, ROWS, output)
    np.testing.assert_allclose(found, expected, rtol=CLOSE[precision], atol=CLOSE[precision])
    assert np.ptp(expected, axis=0).min() > 1
    # What is compared is the file and the bundle, whatever was cast and renamed.
    assert compare(folder / name, bundle).whole
    graph = onnx.load(classifier.bundle.model_path).graph
    kinds = {value.type.tensor_type.elem_type for value in graph.input if value.name != "threshold"}
    assert kinds == {onnx.TensorProto.INT64}


def test_rows_of_a_quantized_model_are_calibrated_and_answered_alone(place, variant, tmp_path):
    folder = variant(onnx_variants.quantized)
    path = folder / "model.onnx"
    apart = np.abs(plain_batch(path, ROWS) - plain_logits(path, ROWS)).max()
    assert apart > 1e-2
    bundle = defended(place, folder, tmp_path, "int8")
    kept = load_file(bundle / "calibration.safetensors")
    texts = tiny_transformers.texts(120)
    classifier = DefendedClassifier.load(bundle)
    ids = [encoded.ids for encoded in classifier.tokenizer.encode(texts)]
    scores = classifier.run_ids(ids).anomaly_score
    np.testing.assert_allclose(kept["clean.fit_scores"], scores, rtol=1e-4, atol=1e-4)


def test_a_quantized_model_is_not_quantized_again(place, variant, tmp_path):
    folder = variant(onnx_variants.partly_quantized)
    before = [node.op_type for node in ir.load(folder / "model.onnx").graph]
    bundle = defended(place, folder, tmp_path, "int8")
    after = [node.op_type for node in ir.load(bundle / "onnx" / "model_quantized.onnx").graph]
    assert after.count("MatMulInteger") == before.count("MatMulInteger") == 1


@pytest.mark.parametrize(
    ("change", "precision", "found"),
    [
        (onnx_variants.quantized, "fp32", r"quantized already \(.*DynamicQuantizeLinear"),
        (onnx_variants.quantized, "fp16", "quantized already"),
        (onnx_variants.quantized, "cuda-fp16", "quantized already"),
        (onnx_variants.half, "fp32", r"half precision.*Pass --precision fp16, or export"),
        (onnx_variants.half, "int8", "half precision"),
        (onnx_variants.half, "cuda-fp16", "half precision"),
    ],
)
def test_another_precision_than_the_file_has_is_refused(
    place, variant, tmp_path, change, precision, found
):
    folder = variant(change)
    with pytest.raises(ModelError, match=found) as caught:
        defend(
            folder,
            place / "clean.jsonl",
            tmp_path / "bundle",
            layers=LAYERS,
            precision=precision,
        )
    assert f", not {precision}" in str(caught.value)
    assert "--precision " in caught.value.hint
    assert not (tmp_path / "bundle").exists()
