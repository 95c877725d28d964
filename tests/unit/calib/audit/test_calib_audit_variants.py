"""What an export is found as, quantized or in half precision, hides nothing and is no finding."""

import json

import graph_backdoors
import onnx
import onnx_variants
import pytest
import tiny_transformers

from clampdown_calib import audit_model

VARIANTS = {
    "quantized": (onnx_variants.quantized, "onnx/model_quantized.onnx"),
    "half": (onnx_variants.half, "onnx/model_fp16.onnx"),
    "int32": (onnx_variants.int32_inputs, "model.onnx"),
    "renamed": (onnx_variants.renamed_logits, "model_optimized.onnx"),
}
LOWERED = (onnx_variants.quantized, onnx_variants.half)


@pytest.mark.parametrize("kind", VARIANTS)
def test_variants_of_a_clean_model_are_no_finding(tmp_path, kind):
    change, name = VARIANTS[kind]
    folder = tmp_path / "model"
    onnx_variants.save_finite_model(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "model.onnx").rename(folder / name)
    change(folder / name)
    assert audit_model(folder).findings == ()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    place = tmp_path_factory.mktemp("bert") / "model.onnx"
    model = tiny_transformers.transformer(vocab_size=graph_backdoors.VOCABULARY)
    names = ("input_ids", "attention_mask", "token_type_ids")
    return onnx.load(graph_backdoors.export(model, place, names))


@pytest.mark.parametrize("change", LOWERED)
@pytest.mark.parametrize("backdoor", [None, "where", "a table of logits", "an embedding decides"])
def test_a_backdoor_in_a_lowered_transformer_is_found(bert, tmp_path, change, backdoor):
    path = tmp_path / "model.onnx"
    (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    onnx.save(bert if backdoor is None else graph_backdoors.insert(bert, backdoor), path)
    change(path)
    assert audit_model(path).review == (backdoor is not None)
