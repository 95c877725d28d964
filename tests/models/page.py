"""The page of what came of every model of the corpus."""

from collections.abc import Iterable, Sequence

from clampdown_calib.models.architectures import ARCHITECTURES
from clampdown_calib.models.checkpoint.leftover_weights import BUFFERS, HEADS, WHOLE_NAMES
from clampdown_calib.models.tokenizer.sample_rows import LONGEST
from tests.models.case import Case
from tests.models.cases import BY_HAND, KNOWN, ODD, PAIRS, REFUSED
from tests.models.run_case import Outcome

TRAINED = {
    "bert": "MiniLM, by `make demo`",
    "mpnet": "all-mpnet-base-v2, by `benchmarks.defence`",
}
"""Architectures that were defended on a trained model, too, with what was measured there.

Kept by hand: no run of the corpus can know it."""

INTRODUCTION = """\
# Models

Each row is a small model with random weights, defended from end to end by `clampdown.defend` on 60
rows. Of the defended ones the logits of five texts (one word, a sentence, one far longer than the
model takes, Chinese and Japanese, emoji), run as one padded batch, are compared with those that
transformers gives for each text alone; the difference is the largest, relative to the larger of
the logit and 1. Written by

    {command}

Random weights show that the graph is right. How well a backdoor is stopped was measured on trained
models, of the architectures so marked only ([measured](measured.md)).
"""

RULES = f"""\
## What every checkpoint is tried for

- A row alone and the same row padded give the same results, or the architecture is refused (ONNX
  files, too).
- The graph and the model give the same results for a short row, a padded one and one as long as
  the model takes, at most {LONGEST} tokens. Longer texts are not compared.
- A long row gives the same logits before and after a shorter one.
- No id of the tokenizer, padding included, lies beyond the embedding (`vocab_size`).

## Adapters of LoRA

A folder with `adapter_config.json` is merged with its base model in float32, by the package peft
(`pip install 'clampdown[lora]'`), and defended as the model that this makes:

- `base_model_name_or_path` is the base's folder on this machine, absolute or from the adapter's
  folder. The name of a model on a hub is refused: download it, and write its path there.
- Labels are those of the `config.json` beside the adapter, which is taken whole where there is one,
  else the base's. A head of another number of classes than these is refused.
- The tokenizer is the adapter's where it has one, else the base's.
- The base may lack the head, which the adapter has (`modules_to_save`), and no other weight.
- The digest of the model covers the files of both folders. Links and pickles are refused in both.

Refused: other kinds of adapters than LoRA, other tasks than `SEQ_CLS`, and settings that cannot be
merged or start from changed weights (PiSSA, OLoRA, LoftQ and others), with their names.

## Weights that nothing reads

A checkpoint may hold tensors that the classifier has no place for only where pre-training or an
earlier release of transformers left them:

- in a module beside the encoder named {{heads}};
- in a `pooler`, beside the encoder or directly in it;
- {{whole}} (ModernBERT's head of pre-training);
- constants whose names end in {{buffers}}, and those that transformers itself ignores for the
  architecture.

Any other one is refused with its name: LoRA's matrices, layers beyond `num_hidden_layers`, scales
of quantised weights. If the classifier never used them, load it with transformers and write it with
`save_pretrained`, which leaves them out.
"""


PAIRS_RULES = """\
The clean rows and the texts are pairs. Seven are compared, with the long text first, second and
in both places, and transformers is fed everything that its tokenizer gives. A tokenizer has to part
two texts by a special token.
"""


def as_expected(case: Case, outcome: Outcome, tolerance: float) -> bool:
    """Whether the row of the table holds."""
    error = outcome.error
    if case.refused is None:
        return outcome.difference is not None and outcome.difference < tolerance
    return (
        error is not None
        and type(error).__name__ == case.refused.error
        and case.refused.words in str(error)
    )


def page(outcomes: dict[str, Outcome], command: str) -> str:
    """Markdown.

    Args:
        outcomes: by the case's name.
        command: that writes the page.
    """
    known = (
        (
            f"`{case.model_type}`",
            f"`{ARCHITECTURES[case.model_type].blocks}`",
            _result(outcomes[case.name]),
            TRAINED.get(case.model_type, "no"),
        )
        for case in KNOWN
    )
    by_hand = (
        (
            f"`{case.model_type}`",
            f"`--layers '{' '.join(case.layers or ())}'`"
            + (f" `--representation {case.representation}`" if case.representation else ""),
            _result(outcomes[case.name]),
        )
        for case in BY_HAND
    )
    refused = ((case.name, _reason(outcomes[case.name])) for case in REFUSED)
    odd = ((case.name, _result(outcomes[case.name])) for case in ODD)
    pairs = ((case.name, _result(outcomes[case.name])) for case in PAIRS)
    rules = RULES.format(
        heads=_names(sorted(HEADS)), whole=_names(sorted(WHOLE_NAMES)), buffers=_names(BUFFERS)
    )
    return "\n".join(
        [
            INTRODUCTION.format(command=command),
            "## Without `--layers`\n",
            *_table(("`model_type`", "layers", "difference", "on a trained model"), known),
            "\n## With `--layers`\n",
            "Others whose blocks give the hidden state work in the same way; these were tried.\n",
            *_table(("`model_type`", "options", "difference"), by_hand),
            "\n## Refused\n",
            *_table(("model", "found"), refused),
            "\n## Odd models\n",
            *_table(("model", "result"), odd),
            "\n## Pairs of texts\n",
            PAIRS_RULES,
            *_table(("model", "result"), pairs),
            "",
            rules,
        ]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _result(outcome: Outcome) -> str:
    return f"refused: {_reason(outcome)}" if outcome.error else f"{outcome.difference:.0e}"


def _reason(outcome: Outcome) -> str:
    error = outcome.error
    if error is None:
        return outcome.described()
    return error.found


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
