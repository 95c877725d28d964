"""Loads a checkpoint whole, or says what of it is missing or too much."""

from collections.abc import Container, Sequence
from typing import Any

import torch

from clampdown_calib.models.checkpoint.leftover_weights import not_leftover
from clampdown_calib.models.checkpoint.lora_adapter import PREFIX
from clampdown_calib.models.checkpoint.merge_adapter import load_adapter, merge_adapter
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.quiet import quiet_transformers
from clampdown_runtime.errors import ModelError


def load_checkpoint(folder: ModelFolder) -> Any:  # noqa: ANN401 - of transformers
    """The checkpoint's classifier in float32; code that comes with it is never run.

    An adapter is merged into it.

    Raises:
        ModelError: the checkpoint does not load, lacks weights of the classifier or has weights
            that it has no place for, or its adapter cannot be merged.
    """
    from transformers import (  # noqa: PLC0415 - takes seconds
        AutoConfig,
        AutoModelForSequenceClassification,
    )

    adapter = folder.adapter
    of_adapter = {} if adapter is None else load_adapter(adapter)
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(folder.config_path, trust_remote_code=False)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder.path,
                config=config,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                use_safetensors=not folder.pickled,
                weights_only=True,
                # They are refused below, by name.
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # transformers passes on whatever its parts raise
        raise ModelError(
            f"The checkpoint {folder.path}",
            found=f"{type(error).__name__}: {error}",
            expected="weights that transformers loads as a sequence classifier",
            hint="Check that the files are complete.",
        ) from error
    _require_fitting(folder, report, {name.removeprefix(PREFIX) for name in of_adapter})
    return model if adapter is None else merge_adapter(model, adapter, of_adapter)


def _require_fitting(
    folder: ModelFolder, report: dict[str, Any], of_adapter: Container[str]
) -> None:
    """Refuse a checkpoint that is not the whole of the classifier, or more than it.

    Args:
        folder: the model's.
        report: transformers' own: the keys that were missing, of another shape, or unexpected.
        of_adapter: names of the weights that an adapter has, such as those of the head.
    """
    shapes = (
        f"{name} {[*found]} instead of {[*expected]}"
        for name, found, expected in sorted(report["mismatched_keys"])
        if name not in of_adapter
    )
    missing = [*sorted(n for n in report["missing_keys"] if n not in of_adapter), *shapes]
    if missing:
        raise ModelError(
            f"The checkpoint {folder.path}",
            found=f"no fitting weights for {_listed(missing)}",
            expected=f"every weight of the classifier, its head of {len(folder.labels)} classes "
            "(id2label in config.json) included",
            hint="Point to the fine-tuned model, not to its base, with its own config.json."
            if folder.adapter is None
            else "They were random while the adapter was trained, and are lost: train it with "
            "their modules in modules_to_save.",
        )
    unread = not_leftover(report["unexpected_keys"])
    if unread:
        raise ModelError(
            f"The checkpoint {folder.path}",
            found=f"weights that the model of config.json has no place for: {_listed(unread)}",
            expected="no others than the classifier's and what pre-training left (docs/models.md)",
            hint="Merge adapters into the weights, and correct the number of layers in "
            "config.json. If the classifier never used them, load it with transformers and write "
            "it with save_pretrained, which leaves them out.",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")
