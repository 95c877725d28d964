"""The table: one row for each model. Adding a row is adding a test."""

from tests.models.build import LAYERS, WIDTH, WORDS
from tests.models.case import Case, Refused
from tests.models.changes import as_adapter, with_config, with_tensors, with_tokens, without_head

HEAD = {"head_dim": 16, "num_key_value_heads": 1}
WINDOW = {"sliding_window": 8}
TYPED_PAIR = "<s> $A </s> $B:1 </s>:1"
PLAIN_PAIR = "<s> $A </s> </s> $B </s>"
DISTILLED = {"dim": WIDTH, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 64}
ONE_TYPE = {"type_vocab_size": 1}
NARROW = {"embedding_size": 16}
GPT2 = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2}
AT_EOS = Refused("UnsupportedArchitectureError", "<eos> tokens of all rows at once")
PADDED = Refused("UnsupportedArchitectureError", "once the row is padded")
PARTS = {
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}
DISENTANGLED = {
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "position_biased_input": False,
}

KNOWN = (
    Case("albert", "albert", NARROW, slow=True),
    Case("bert", "bert", token_types=True),
    Case("bloom", "bloom", {"n_layer": LAYERS, "n_head": 2}, framed=False),
    Case("camembert", "camembert", ONE_TYPE, padding=1, token_types=True, slow=True),
    Case("deberta", "deberta", {**DISENTANGLED, "pooler_hidden_size": WIDTH}),
    Case("deberta-v2", "deberta-v2", {**DISENTANGLED, "position_buckets": 16}, slow=True),
    Case("distilbert", "distilbert", DISTILLED, slow=True),
    Case("electra", "electra", NARROW, token_types=True, slow=True),
    Case("gemma2", "gemma2", {**HEAD, **WINDOW}, slow=True),
    Case("gemma3_text", "gemma3_text", {**HEAD, **WINDOW}, slow=True),
    Case("gpt2", "gpt2", GPT2, framed=False),
    Case("gpt_neox", "gpt_neox", framed=False, slow=True),
    Case("llama", "llama", HEAD, slow=True),
    Case("mistral", "mistral", {**HEAD, **WINDOW}, slow=True),
    Case("modernbert", "modernbert", {"local_attention": 8}, slow=True),
    Case("mpnet", "mpnet", padding=1, slow=True),
    Case(
        "opt",
        "opt",
        {"ffn_dim": 64, "word_embed_proj_dim": WIDTH},
        padding=1,
        framed=False,
        slow=True,
    ),
    Case("qwen2", "qwen2", HEAD, framed=False, slow=True),
    Case("qwen3", "qwen3", HEAD, framed=False, slow=True),
    Case("roberta", "roberta", ONE_TYPE, padding=1, token_types=True),
    Case("roformer", "roformer", NARROW, token_types=True, slow=True),
    Case("xlm-roberta", "xlm-roberta", ONE_TYPE, padding=1, slow=True),
)
"""Every architecture that needs no ``--layers``, plainly."""

BY_HAND = (
    Case("data2vec-text", "data2vec-text", ONE_TYPE, ("data2vec_text.encoder.layer.*",), padding=1),
    Case("ernie", "ernie", {}, ("ernie.encoder.layer.*",), token_types=True),
    Case("eurobert", "eurobert", HEAD, ("model.layers.*",)),
    Case("falcon", "falcon", {}, ("transformer.h.*",), "last", framed=False),
    Case("gemma", "gemma", HEAD, ("model.layers.*",), "last"),
    Case(
        "gpt_neo",
        "gpt_neo",
        {
            "num_layers": LAYERS,
            "num_heads": 2,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 8,
        },
        ("transformer.h.*",),
        "last",
        framed=False,
    ),
    Case("ibert", "ibert", ONE_TYPE, ("ibert.encoder.layer.*",), padding=1),
    Case("megatron-bert", "megatron-bert", {}, ("bert.encoder.layer.*",)),
    Case("olmo2", "olmo2", {}, ("model.layers.*",), "last"),
    Case("phi", "phi", {}, ("model.layers.*",), "last"),
    Case("phi3", "phi3", {"num_key_value_heads": 1}, ("model.layers.*",), "last"),
    Case(
        "rembert",
        "rembert",
        {"input_embedding_size": 16, "output_embedding_size": 16},
        ("rembert.encoder.layer.*",),
    ),
    Case(
        "xlm",
        "xlm",
        {"emb_dim": WIDTH, "n_layers": LAYERS, "n_heads": 2},
        ("transformer.layer_norm2.*",),
    ),
)
"""Architectures whose layers are named by hand; all are left to `make test-slow`."""

REFUSED = (
    Case("bart", "bart", PARTS, refused=AT_EOS),
    Case("t5", "t5", {"d_model": WIDTH, "d_kv": 16, "num_heads": 2}, refused=AT_EOS),
    Case(
        "big_bird, block-sparse",
        "big_bird",
        {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1},
        ("bert.encoder.layer.*",),
        refused=Refused("UnsupportedArchitectureError", "once a shorter row was run"),
    ),
    Case(
        "canine",
        "canine",
        {},
        ("canine.encoder.layer.*",),
        refused=Refused("UnsupportedArchitectureError", "as the output of canine.encoder"),
    ),
    Case(
        "convbert",
        "convbert",
        {"embedding_size": WIDTH, "head_ratio": 1},
        ("convbert.encoder.layer.*",),
        refused=PADDED,
    ),
    Case(
        "fnet",
        "fnet",
        {},
        ("fnet.encoder.layer.*",),
        refused=Refused("UnsupportedArchitectureError", "no attention_mask among its inputs"),
    ),
    Case(
        "longformer",
        "longformer",
        {"attention_window": [12] * LAYERS},
        ("longformer.encoder.layer.*",),
        refused=Refused("UnsupportedArchitectureError", "as the output of longformer.encoder"),
        padding=1,
    ),
    Case(
        "mobilebert",
        "mobilebert",
        {"embedding_size": WIDTH, "intra_bottleneck_size": WIDTH, "true_hidden_size": WIDTH},
        ("mobilebert.encoder.layer.*",),
        refused=PADDED,
    ),
    Case("nystromformer", "nystromformer", {}, ("nystromformer.encoder.layer.*",), refused=PADDED),
    Case(
        "xlnet",
        "xlnet",
        {
            "d_model": WIDTH,
            "n_layer": LAYERS,
            "n_head": 2,
            "d_inner": 64,
            "max_position_embeddings": ...,
        },
        ("transformer.layer.*",),
        "last",
        refused=Refused("UnsupportedArchitectureError", "as the output of transformer.layer"),
    ),
)
"""Architectures that are refused, for a reason each."""

MANY = {"problem_type": "multi_label_classification"}

ODD = (
    Case("bert, many labels", "bert", MANY),
    Case("roberta, one logit", "roberta", {**ONE_TYPE, **MANY, "num_labels": 1}, padding=1),
    Case(
        "bert, a regression",
        "bert",
        {"num_labels": 1},
        refused=Refused("ModelError", "which makes it a regression"),
    ),
    Case(
        "bert, a regression that says so",
        "bert",
        {"num_labels": 1, "problem_type": "regression"},
        refused=Refused("ModelError", "'regression'"),
    ),
    Case(
        "bert, leftovers of pre-training",
        "bert",
        change=with_tensors(
            "cls.predictions.decoder.weight",
            "lm_head.dense.weight",
            "roberta.pooler.dense.weight",
            "bert.embeddings.position_ids",
            "bert.rotary_emb.inv_freq",
        ),
    ),
    Case("bert, an adapter of LoRA", "bert", token_types=True, change=as_adapter),
    Case("gpt2, an adapter of LoRA", "gpt2", GPT2, framed=False, slow=True, change=as_adapter),
    Case("albert, SentencePiece alone", "albert", NARROW, tokenizer="sentencepiece"),
    Case(
        "big_bird, full attention",
        "big_bird",
        {"attention_type": "original_full"},
        ("bert.encoder.layer.*",),
        slow=True,
    ),
    Case(
        "bert, a token beyond the embedding",
        "bert",
        change=with_tokens(WORDS),
        refused=Refused("ModelError", "the id 300 (the token '<new 300>')"),
    ),
    Case(
        "bert, padding beyond the embedding",
        "bert",
        change=with_config("config.json", pad_token_id=300),
        refused=Refused("ModelError", "the id 300 (the padding token)"),
    ),
    Case(
        "bert, no head",
        "bert",
        change=without_head,
        refused=Refused("ModelError", "no fitting weights for classifier.bias, classifier.weight"),
    ),
    Case(
        "bert, a head of another size",
        "bert",
        change=with_config(
            "config.json", id2label={"0": "no", "1": "yes"}, label2id={"no": 0, "yes": 1}
        ),
        refused=Refused("ModelError", "classifier.weight [3, 32] instead of [2, 32]"),
    ),
    Case(
        "bert, LoRA's matrices",
        "bert",
        change=with_tensors(
            "bert.encoder.layer.0.attention.self.query.lora_A.weight",
            "base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.weight",
        ),
        refused=Refused("ModelError", "query.lora_A.weight"),
    ),
    Case(
        "bert, a layer too many",
        "bert",
        change=with_config("config.json", num_hidden_layers=1),
        refused=Refused("ModelError", "no place for: bert.encoder.layer.1."),
    ),
    Case(
        "ibert, positions that end too early",
        "ibert",
        {**ONE_TYPE, "max_position_embeddings": 20},
        ("ibert.encoder.layer.*",),
        padding=1,
        slow=True,
    ),
    Case(
        "phi3, other frequencies for long texts",
        "phi3",
        {
            "num_key_value_heads": 1,
            "original_max_position_embeddings": 24,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "short_factor": [1.0] * 8,
                "long_factor": [4.0] * 8,
            },
        },
        ("model.layers.*",),
        "last",
        refused=Refused("UnsupportedArchitectureError", "rope_type longrope"),
    ),
)
"""What is odd about single models, whatever their architecture."""

PAIRS = (
    Case("bert, pairs", "bert", token_types=True, pair=TYPED_PAIR, pairs=True),
    Case(
        "bert, pairs cut on the left",
        "bert",
        token_types=True,
        pair=TYPED_PAIR,
        pairs=True,
        change=with_config("tokenizer_config.json", truncation_side="left"),
        slow=True,
    ),
    Case("distilbert, pairs", "distilbert", DISTILLED, pair=TYPED_PAIR, pairs=True, slow=True),
    Case("roberta, pairs", "roberta", ONE_TYPE, padding=1, pair=PLAIN_PAIR, pairs=True),
    Case(
        "roberta, pairs of two token types",
        "roberta",
        ONE_TYPE,
        padding=1,
        token_types=True,
        pair=TYPED_PAIR,
        pairs=True,
        refused=Refused("ModelError", "type_vocab_size"),
    ),
    Case(
        "deberta, pairs",
        "deberta",
        {**DISENTANGLED, "pooler_hidden_size": WIDTH, "type_vocab_size": 2},
        token_types=True,
        pair=TYPED_PAIR,
        pairs=True,
    ),
    Case("llama, pairs", "llama", HEAD, pair="<s> $A <s> $B", pairs=True, slow=True),
    Case(
        "gpt2, pairs",
        "gpt2",
        {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2},
        framed=False,
        pairs=True,
        refused=Refused("ModelError", "nothing that parts two texts"),
    ),
    Case(
        "bert, pairs without a template",
        "bert",
        token_types=True,
        pairs=True,
        refused=Refused("ModelError", "nothing that parts two texts"),
    ),
)
"""Models of pairs of texts, such as of natural language inference."""

CASES = (*KNOWN, *BY_HAND, *REFUSED, *ODD, *PAIRS)
