"""What a model's ``config.json`` says, and what it may not say."""

import json
from pathlib import Path
from typing import Any

from clampdown_runtime.bundle.manifest import ProblemType
from clampdown_runtime.errors import ModelError
from clampdown_runtime.rows.texts import is_unicode

MOST_CLASSES = 2**16
"""Of a model without names for them: more than any classifier of texts has."""

MOST_LAYERS = 2**10
"""Several times the deepest network in use."""

SIGMOIDS: ProblemType = "multi_label_classification"
CHOICE: ProblemType = "single_label_classification"


def read_config(path: Path) -> dict[str, Any]:
    """The ``config.json`` of a folder.

    Raises:
        ModelError: there is none, or no object is in it.
    """
    file = path / "config.json"
    try:
        config = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        config = None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{file}", found=str(error), expected="readable JSON", hint="Restore the model's file."
        ) from error
    if not isinstance(config, dict):
        raise ModelError(
            f"The model folder {path}",
            found="no config.json with an object in it",
            expected="a Hugging Face folder, or an ONNX export with its config.json",
            hint="Point to the folder that save_pretrained or optimum-cli wrote.",
        )
    return config


def refuse_other_heads(model: str | Path, config: dict[str, Any]) -> None:
    """Refuse what is no classifier of texts.

    Raises:
        ModelError: it is none.
    """
    heads = config.get("architectures")
    if not isinstance(heads, list) or not any(
        str(head).endswith("ForSequenceClassification") for head in heads
    ):
        raise ModelError(
            f"The model {model}",
            found=f"architectures {heads}",
            expected="a ...ForSequenceClassification model",
            hint="Fine-tune it as a text classifier first; Clampdown defends classifiers.",
        )


def classifier_of(config: dict[str, Any]) -> list[str]:
    """The class of an adapter's whole model; its base may be one without a head."""
    from transformers.models.auto.modeling_auto import (  # noqa: PLC0415 - takes seconds
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )

    name = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(str(config.get("model_type")))
    return [] if name is None else [str(name)]


def refuse_remote_code(model: str | Path, config: dict[str, Any]) -> None:
    """Refuse an architecture whose code comes with the model.

    Raises:
        ModelError: transformers does not know it.
    """
    from transformers import CONFIG_MAPPING  # noqa: PLC0415 - takes seconds

    if config.get("auto_map") and str(config.get("model_type")) not in CONFIG_MAPPING:
        raise ModelError(
            f"The model {model}",
            found="an architecture that comes as remote code (auto_map in config.json)",
            expected="an architecture that transformers itself contains",
            hint="Clampdown never runs code that comes with a model. Export it to ONNX yourself "
            "and pass that folder.",
        )


def refuse_endless_networks(model: str | Path, config: dict[str, Any]) -> None:
    """Refuse so many layers that transformers would build them until the memory ends."""
    counts = {k: v for k, v in config.items() if any(part in k for part in ("layer", "group"))}
    for key, value in counts.items():
        if isinstance(value, int) and value > MOST_LAYERS:
            raise ModelError(
                f"config.json of {model}",
                found=f"`{key}` {value}",
                expected=f"at most {MOST_LAYERS}",
                hint="Restore the model's file.",
            )


def problem_type_of(
    model: str | Path, config: dict[str, Any], labels: tuple[str, ...]
) -> ProblemType:
    """What the logits mean.

    A single one is that of a sigmoid where the model is said to give labels, and else what a
    regression gives; transformers builds no model that chooses among one class.
    """
    problem = config.get("problem_type")
    if problem == SIGMOIDS:
        return SIGMOIDS
    if problem in (None, CHOICE) and len(labels) > 1:
        return CHOICE
    raise ModelError(
        f"The model {model}",
        found=f"the problem_type {problem!r}"
        if len(labels) > 1 or problem is not None
        else "one class and no problem_type, which makes it a regression",
        expected="a classifier, that chooses one of its classes or gives any number of labels",
        hint="Clampdown defends classifiers only. If the single logit is that of a sigmoid, say so "
        f'in config.json: "problem_type": "{SIGMOIDS}".',
    )


def labels_of(model: str | Path, config: dict[str, Any]) -> tuple[str, ...]:
    """The name of each class.

    Raises:
        ModelError: a class has no name of its own, or there are too many.
    """
    names = config.get("id2label")
    if names is None:
        # transformers leaves id2label out of config.json for the default of two classes.
        count = config.get("num_labels", 2)
        if type(count) is int and 1 <= count <= MOST_CLASSES:
            return tuple(f"LABEL_{i}" for i in range(count))
        names = f"num_labels {count!r}"
    elif isinstance(names, dict) and set(names) == {str(i) for i in range(len(names))} and names:
        labels = tuple(str(names[str(i)]) for i in range(len(names)))
        if len(set(labels)) == len(labels) and all(map(is_unicode, labels)):
            return labels
    raise ModelError(
        f"config.json of {model}",
        found=str(names),
        expected='a name of its own for every class, such as {"0": "negative", "1": "positive"}',
        hint="Correct id2label.",
    )
