"""Reads what a folder with an adapter of LoRA says of itself, without the package peft."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from clampdown_calib.models.checkpoint.checkpoint_files import CHECKPOINTS, PICKLES
from clampdown_runtime.errors import ModelError

ADAPTER = "adapter_config.json"
WEIGHTS, PICKLE = "adapter_model.safetensors", "adapter_model.bin"

PREFIX = "base_model.model."
"""Before the name of every tensor that peft saves."""

SETTINGS = (
    *("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "lora_bias"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
    *("modules_to_save", "bias", "fan_in_fan_out"),
)
"""Of ``adapter_config.json``: what decides which matrices are added, and how they are scaled."""

WITHOUT_EFFECT = (
    *("peft_type", "task_type", "base_model_name_or_path", "init_lora_weights", "lora_dropout"),
    *("peft_version", "inference_mode", "revision", "auto_mapping"),
    # Of kinds of LoRA that another key chooses; peft writes them into every file.
    *("megatron_core", "qalora_group_size"),
)
"""Keys that change nothing of what a trained adapter adds. Any other one that is set may: it
belongs to a kind of LoRA that cannot be merged, names files or modules to import, or is of a later
release."""

STARTS = (True, False, "gaussian", "orthogonal", "eva", None)
"""Of ``init_lora_weights``: those after which the base model is the one that was downloaded."""

MODULE = re.compile(r"[\w.]+", re.ASCII)
"""A name of modules; peft also takes a regular expression, which may never come to an end."""


@dataclass(frozen=True, slots=True)
class LoraAdapter:
    """What was trained of a model, without the model.

    Attributes:
        path: the adapter's folder.
        base: the folder of the model that it belongs to.
        weights: the file of its matrices and of the classifier's head.
        settings: those of ``SETTINGS`` that ``adapter_config.json`` has.
    """

    path: Path
    base: Path
    weights: Path
    settings: dict[str, Any]

    def described(self) -> str:
        """What it is, in one line."""
        modules = self.settings.get("target_modules")
        # PEFT writes them in any order.
        where = ", ".join(sorted(modules)) if isinstance(modules, list) else str(modules)
        return f"LoRA of rank {self.settings.get('r')} on {where}, to be merged with {self.base}"


def read_adapter(folder: Path, *, allow_pickle: bool) -> LoraAdapter | None:
    """Read the adapter of a folder; None where there is none.

    Args:
        folder: may be a model of its own, too.
        allow_pickle: accept weights that are a pickle.

    Raises:
        ModelError: it is not one of LoRA on a sequence classifier, has settings that cannot be
            merged, has no weights or weights that are not allowed, or its base model is not a
            folder on this machine.
    """
    if not (folder / ADAPTER).exists():
        return None
    config = _read(folder)
    kind, task = config.get("peft_type"), config.get("task_type")
    if kind != "LORA" or task != "SEQ_CLS":
        _refuse(
            folder,
            f"an adapter of the kind {kind!r} for the task {task!r}",
            "LORA for SEQ_CLS, a sequence classifier",
            "Where peft can merge it, do so with merge_and_unload, and pass what it saves.",
        )
    settings = _settings(folder, config)
    _refuse_whole_model(folder)
    weights = _weights(folder, allow_pickle=allow_pickle)
    return LoraAdapter(folder, _base(folder, config), weights, settings)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}", found=str(error), expected="readable JSON", hint="Restore the file."
        ) from error
    if not isinstance(config, dict):
        _refuse(folder, f"no object in {ADAPTER}", "the settings of LoRA", "Restore the file.")
    return config


def _settings(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    known = (*SETTINGS, *WITHOUT_EFFECT)
    other = [f"{key} {value!r}" for key, value in config.items() if value and key not in known]
    if config.get("init_lora_weights") not in STARTS:
        # Such as PiSSA's, which take a part of the weights away, found by a decomposition.
        other.append(f"init_lora_weights {config['init_lora_weights']!r}, which changes the base")
    settings = {key: config[key] for key in SETTINGS if config.get(key) is not None}
    other += [f"the modules {name!r}" for name in _names(settings) if not _is_name(name)]
    if other:
        _refuse(
            folder,
            f"in {ADAPTER} {other[0]}",
            f"LoRA with no other settings than {', '.join(SETTINGS)}, and modules by their names",
            "Where peft can merge it, do so with merge_and_unload, and pass what it saves.",
        )
    return settings


def _names(settings: dict[str, Any]) -> Iterator[object]:
    for key in ("target_modules", "exclude_modules", "modules_to_save", "layers_pattern"):
        value = settings.get(key)
        if value != "all-linear":
            yield from value if isinstance(value, list) else [] if value is None else [value]
    for key in ("rank_pattern", "alpha_pattern"):
        yield from settings.get(key) or ()


def _is_name(name: object) -> bool:
    return isinstance(name, str) and MODULE.fullmatch(name) is not None


def _refuse_whole_model(folder: Path) -> None:
    """Refuse an adapter beside weights of a whole model: either could be meant."""
    names = (*CHECKPOINTS, *PICKLES)
    found = next((name for name in names if (folder / name).exists()), None)
    if found is not None:
        _refuse(
            folder,
            f"an adapter ({ADAPTER}) and the weights of a whole model ({found})",
            "one of the two",
            "Move one of them into a folder of its own.",
        )


def _weights(folder: Path, *, allow_pickle: bool) -> Path:
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    if not (folder / PICKLE).is_file():
        _refuse(
            folder,
            "an adapter without weights",
            f"{WEIGHTS} beside {ADAPTER}",
            "Point to the folder that peft's save_pretrained wrote.",
        )
    if not allow_pickle:
        _refuse(
            folder,
            f"the weights of an adapter in a pickled file only ({PICKLE})",
            f"{WEIGHTS}, since a pickle can run code when it is opened",
            "Convert it to safetensors, or pass --allow-pickle to load it with weights_only.",
        )
    return folder / PICKLE


def _base(folder: Path, config: dict[str, Any]) -> Path:
    name = config.get("base_model_name_or_path")
    # os.path.isdir, to which a name that no system takes is no folder.
    if not isinstance(name, str) or not name or not os.path.isdir(folder / name):  # noqa: PTH112
        _refuse(
            folder,
            f"an adapter of the base model {name!r}",
            "the path of its folder on this machine, absolute or from the adapter's folder",
            f"Download the base model, and write its path into base_model_name_or_path of "
            f"{ADAPTER}.",
        )
    base = folder / name
    if (base / ADAPTER).exists():
        _refuse(
            folder,
            f"an adapter of the base model {name!r}, which is an adapter itself",
            "a whole model for its base",
            "Merge that one first with merge_and_unload, and write the path of what it saves into "
            f"base_model_name_or_path of {ADAPTER}.",
        )
    return base


def _refuse(folder: Path, found: str, expected: str, hint: str) -> NoReturn:
    raise ModelError(f"The model {folder}", found=found, expected=expected, hint=hint)
