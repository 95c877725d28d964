"""Merges an adapter of LoRA into its base model, by the package peft."""

import importlib.util
import warnings
from typing import Any

import torch
from safetensors.torch import load_file

from clampdown_calib.models.checkpoint.lora_adapter import ADAPTER, PICKLE, LoraAdapter
from clampdown_runtime.errors import ModelError

Tensors = dict[str, torch.Tensor]


def load_adapter(adapter: LoraAdapter) -> Tensors:
    """The adapter's tensors in float32, by the names in its file.

    Raises:
        ModelError: the package peft is missing, or the file cannot be read.
    """
    if importlib.util.find_spec("peft") is None:
        raise ModelError(
            f"The adapter {adapter.path}",
            found="no package peft to merge it with its base model",
            expected="the packages of the extra `lora`",
            hint="Run pip install 'clampdown[lora]'.",
        )
    try:
        if adapter.weights.name == PICKLE:
            found = torch.load(adapter.weights, map_location="cpu", weights_only=True)
        else:
            found = load_file(adapter.weights)
        # Half precision would round the sum of the weights and what is added to them.
        return {name: tensor.float() for name, tensor in found.items()}
    except Exception as error:  # whatever torch, safetensors and the system raise
        raise ModelError(
            f"{adapter.weights}",
            found=f"{type(error).__name__}: {error}",
            expected="the tensors of an adapter",
            hint="Check that the file is complete.",
        ) from error


def merge_adapter(model: Any, adapter: LoraAdapter, tensors: Tensors) -> Any:  # noqa: ANN401 - of transformers
    """Add the adapter's matrices to the weights, and put its head in the place of the model's.

    Args:
        model: the base model, a sequence classifier in float32; it is changed.
        adapter: the one to merge.
        tensors: what ``load_adapter`` gave.

    Returns:
        A model of transformers with nothing of peft left in it.

    Raises:
        ModelError: the adapter is not one of this model.
    """
    # With peft's own imports of every kind of adapter: seconds.
    from peft import (  # noqa: PLC0415
        LoraConfig,
        PeftModelForSequenceClassification,
        get_peft_model_state_dict,
        set_peft_model_state_dict,
    )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = LoraConfig(task_type="SEQ_CLS", **adapter.settings)
            # Its matrices are not filled before their sizes are held against the file's.
            adapted = PeftModelForSequenceClassification(model, config, low_cpu_mem_usage=True)
            expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
            _require_same(adapter, tensors, expected)
            set_peft_model_state_dict(adapted, tensors, low_cpu_mem_usage=True)
            return adapted.merge_and_unload(safe_merge=True)
    except ModelError:
        raise
    except Exception as error:  # peft passes on whatever its parts raise
        raise ModelError(
            f"The adapter {adapter.path}",
            found=f"{type(error).__name__}: {error}",
            expected=f"one that peft merges with {adapter.base}",
            hint=f"Check that base_model_name_or_path in {ADAPTER} is the model that it was "
            "trained on.",
        ) from error


def _require_same(adapter: LoraAdapter, found: Tensors, expected: Tensors) -> None:
    """Refuse a file of other tensors than those that the adapter needs; peft would only warn."""
    wrong = [
        *(f"no {name}" for name in sorted(expected.keys() - found.keys())),
        *(f"{name}, which it has no place for" for name in sorted(found.keys() - expected.keys())),
        *(
            f"{name} {[*found[name].shape]} instead of {[*expected[name].shape]}"
            for name in sorted(found.keys() & expected.keys())
            if found[name].shape != expected[name].shape
        ),
    ]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ModelError(
            f"The adapter {adapter.path}",
            found=f"among its weights {wrong[0]}{more}",
            expected="those of its settings, and a head of as many classes as id2label names",
            hint="If the head has another number of classes than the base model's configuration, "
            "put the fine-tuned model's config.json, with its id2label, beside "
            f"{ADAPTER}. Else check that base_model_name_or_path is the model it was trained on.",
        )
