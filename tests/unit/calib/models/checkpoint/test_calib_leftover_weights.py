"""What pre-training leaves in a checkpoint is let pass; a part of what was trained is not."""

import pytest

from clampdown_calib.models.checkpoint.leftover_weights import not_leftover


@pytest.mark.parametrize(
    "name",
    [
        "cls.predictions.transform.dense.weight",
        "lm_head.bias",
        "bert.pooler.dense.weight",
        "pooler.dense.bias",
        "roberta.embeddings.position_ids",
        "transformer.h.0.attn.bias",
        "transformer.h.0.attn.masked_bias",
        "gpt_neox.layers.1.attention.bias",
        "model.layers.3.self_attn.rotary_emb.inv_freq",
        "vocab_projector.weight",
        "discriminator_predictions.dense.weight",
        "decoder.bias",
    ],
)
def test_leftover(name):
    assert not_leftover({name}) == []


@pytest.mark.parametrize(
    "name",
    [
        "bert.encoder.layer.12.output.dense.weight",
        "model.decoder.layers.24.fc1.weight",
        "decoder.layers.24.fc1.weight",
        "bert.encoder.layer.0.attention.self.query.lora_A.weight",
        "base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.default.weight",
        # Of a name in the list, but within the encoder.
        "bert.encoder.layer.0.cls.weight",
        "bert.encoder.layer.0.pooler.weight",
        "bert.encoder.layer.0.attention.self.query.bias",
        "classifier.dense.weight",
        "model.layers.0.mlp.gate_proj.weight_scale",
    ],
)
def test_part_of_what_was_trained(name):
    assert not_leftover({name, "lm_head.bias"}) == [name]
