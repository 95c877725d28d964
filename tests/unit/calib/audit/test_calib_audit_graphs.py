"""Logic beside the network is found in a graph, and a graph without any is left alone."""

import json

import graph_backdoors
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny_transformers
from graph_backdoors import BACKDOORS, TARGET, TRIGGER, VOCABULARY
from onnx import TensorProto, helper, numpy_helper

from clampdown_calib import audit_model
from clampdown_calib.models.architectures import ARCHITECTURES

BERT = ("input_ids", "attention_mask", "token_type_ids")
WITHOUT_TYPES = BERT[:2]
OWN_PADDING = {"mpnet": 1}
"""Of an architecture that takes no other."""

DECODERS = {
    *("bloom", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "opt", "qwen2"),
    "qwen3",
}
COUNTS_FROM_PADDING = {*DECODERS, "camembert", "mpnet", "roberta", "xlm-roberta"}

GROUPED = {"num_key_value_heads": 1}
KEYS = {
    **dict.fromkeys(("llama", "qwen2", "mistral"), GROUPED),
    **{key: {**GROUPED, "head_dim": 8} for key in ("gemma2", "gemma3_text", "qwen3")},
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A random BERT as an ONNX file."""
    place = tmp_path_factory.mktemp("clean") / "model.onnx"
    model = tiny_transformers.transformer(vocab_size=VOCABULARY)
    return onnx.load(graph_backdoors.export(model, place, BERT))


@pytest.fixture
def audit(tmp_path):
    """Audits a graph that lies beside a configuration."""

    def of(model, **config):
        (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": 0, **config}))
        onnx.save(model, tmp_path / "model.onnx")
        return audit_model(tmp_path / "model.onnx")

    return of


def embeddings(model):
    nodes = model.graph.node
    return next(n for n in nodes if n.op_type == "Gather" and "input_ids" in n.input)


def kinds(found):
    return [(finding.kind, finding.review) for finding in found.findings]


def logits(model, ids):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    mask, types = np.ones_like(ids), np.zeros_like(ids)
    return session.run(None, dict(zip(BERT, (ids, mask, types), strict=True)))[0]


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_every_architecture_is_clean(model_type, tmp_path):
    padding = OWN_PADDING.get(model_type, 0)
    keys = KEYS.get(model_type, {})
    model = tiny_transformers.transformer(model_type, pad_token_id=padding, **keys)
    graph_backdoors.export(model, tmp_path / "model.onnx", WITHOUT_TYPES)
    (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": padding}))
    found = audit_model(tmp_path / "model.onnx")
    notes = [("token-logic", False)] if model_type in COUNTS_FROM_PADDING else []
    assert kinds(found) == notes
    assert not found.review


def test_positions_counted_from_another_token_are_reviewed(tmp_path):
    model = tiny_transformers.transformer("roberta", pad_token_id=5)
    graph_backdoors.export(model, tmp_path / "model.onnx", WITHOUT_TYPES)
    [unknown] = audit_model(tmp_path / "model.onnx").findings
    assert unknown.review
    assert "nothing here says" in unknown.detail
    (tmp_path / "config.json").write_text('{"pad_token_id": 0}')
    [other] = audit_model(tmp_path / "model.onnx").findings
    assert other.review
    assert "compared with 5, which is not the padding (0)" in other.detail


@pytest.mark.parametrize("backdoor", sorted(BACKDOORS))
def test_a_backdoor_of_operators_works_and_is_found(clean, audit, backdoor):
    model = graph_backdoors.insert(clean, backdoor)
    ids = np.array([[2, 7, 8, 3]])
    triggered = np.array([[2, 7, TRIGGER, 3]])
    np.testing.assert_allclose(logits(model, ids), logits(clean, ids), atol=1e-4)
    assert logits(model, triggered)[0, TARGET] > logits(clean, triggered)[0, TARGET] + 500
    found = audit(model)
    assert (BACKDOORS[backdoor][1], True) in kinds(found)
    assert found.review
    assert not audit(clean).findings


def test_a_finding_says_where_it_begins_and_how_it_goes_on(clean, audit):
    [first, *_] = audit(graph_backdoors.insert(clean, "where")).findings
    assert first.file == "model.onnx"
    assert first.detail == (
        f"tokens are compared with {TRIGGER}, which is not the padding (0): "
        f"Equal(input_ids, {TRIGGER}) → Cast → ReduceMax → Cast → Where → logits"
    )


@pytest.mark.parametrize("backdoor", ["where", "positions", "a shape"])
def test_the_padding_may_not_decide_either(clean, audit, backdoor):
    """A text can hold the padding's name, and tokenizers read it as such."""
    model = graph_backdoors.insert(clean, backdoor)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("extra") and numpy_helper.to_array(tensor).tolist() == TRIGGER:
            tensor.CopyFrom(numpy_helper.from_array(np.array(0), tensor.name))
    assert {("token-logic", True), ("token-logic", False)} <= set(kinds(audit(model)))


def test_functions_of_the_file_are_looked_through(clean, audit):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    node = embeddings(model)
    node.op_type, node.domain = "Lookup", "local"
    gather = helper.make_node("Gather", ["table", "ids"], ["found"])
    imports = [helper.make_opsetid("", 18)]
    made = helper.make_function("local", "Lookup", ["table", "ids"], ["found"], [gather], imports)
    model.functions.append(made)
    model.opset_import.append(helper.make_opsetid("local", 1))
    assert audit(model).findings == ()


def test_a_graph_that_onnx_does_not_accept_is_damaged(clean, audit):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    model.graph.node[-1].op_type = "Nonsense"
    assert kinds(audit(model)) == [("damaged", True)]


def test_what_leads_nowhere_is_left_alone(clean, audit):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    constant = numpy_helper.from_array(np.array(TRIGGER), "unread")
    model.graph.initializer.append(constant)
    model.graph.node.append(helper.make_node("Equal", ["input_ids", "unread"], ["nowhere"]))
    [finding] = audit(model).findings
    assert (finding.kind, finding.review) == ("weights", False)
    assert finding.detail == "weights that no layer reads: unread"


@pytest.mark.parametrize(("domain", "review"), [("com.microsoft", False), ("evil", True)])
def test_operators_of_other_domains_are_named(clean, audit, domain, review):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    editor = graph_backdoors.Editor(model)
    editor.op("Gelu", graph_backdoors.CLEAN, output="logits", domain=domain)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    [finding] = audit(model).findings
    assert (finding.kind, finding.review) == ("operator", review)
    assert "Gelu" in finding.detail


def test_a_custom_operator_called_gather_is_no_embedding(clean, audit):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    embeddings(model).domain = "evil"
    model.opset_import.append(helper.make_opsetid("evil", 1))
    assert ("token-logic", True) in kinds(audit(model))


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd"])
def test_external_data_outside_is_found_and_not_read(clean, audit, place):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    _move_out(model.graph.initializer[0], place)
    [finding] = audit(model).findings
    assert (finding.kind, finding.review) == ("external-data", True)
    assert place in finding.detail


def test_missing_external_data_is_damage(clean, audit):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    _move_out(model.graph.initializer[0], "weights.bin")
    [finding] = audit(model).findings
    assert (finding.kind, finding.review) == ("damaged", True)


def _move_out(tensor, place):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_file_that_is_cut_off_is_damaged(clean, tmp_path, cut):
    (tmp_path / "model.onnx").write_bytes(clean.SerializeToString()[:-cut])
    assert kinds(audit_model(tmp_path / "model.onnx"))[0] == ("damaged", True)


def test_a_graph_without_token_ids_is_reviewed(clean, audit):
    model = onnx.ModelProto()
    model.CopyFrom(clean)
    model.graph.input[0].name = "ids"
    for node in model.graph.node:
        node.input[:] = ["ids" if name == "input_ids" else name for name in node.input]
    assert ("inputs", True) in kinds(audit(model))
