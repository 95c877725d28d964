"""What lies in the MODEL folder: a Hugging Face checkpoint or an ONNX classifier, and its identity."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clampdown_runtime.digests import file_digest
from clampdown_runtime.errors import ModelError

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
CHECKPOINTS = ("model.safetensors", "model.safetensors.index.json")
ONNX_PLACES = ("model.onnx", "onnx/model.onnx")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A classifier on disk.

    Attributes:
        path: the folder.
        kind: ``checkpoint`` (Hugging Face weights) or ``onnx`` (a graph, without gradients).
        name: the folder's name or hub id.
        model_type: ``model_type`` of ``config.json``.
        labels: the name of class 0, 1, …
        config: the whole of ``config.json``.
        onnx_file: the graph of an ``onnx`` folder, else None.
        pickled: the only weights are a pickle.
    """

    path: Path
    kind: Literal["checkpoint", "onnx"]
    name: str
    model_type: str
    labels: tuple[str, ...]
    config: dict[str, Any]
    onnx_file: Path | None
    pickled: bool

    def digest(self) -> str:
        """``sha256:…`` over the names and digests of configuration, tokenizer and weights."""
        patterns = ("*.onnx", "onnx/*.onnx") if self.kind == "onnx" else ("*.safetensors", "*.bin")
        names = {"config.json", "tokenizer.json"}
        files = {p for pattern in patterns for p in self.path.glob(pattern)}
        files |= {self.path / name for name in names if (self.path / name).is_file()}
        lines = sorted(f"{p.relative_to(self.path).as_posix()} {file_digest(p)}" for p in files)
        return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_model(model: str | Path, *, allow_pickle: bool = False) -> ModelFolder:
    """Find out what ``model`` is, without loading weights and without running any of its code.

    Args:
        model: a local folder, or a hub id such as ``org/name``.
        allow_pickle: accept a checkpoint whose only weights are a pickle (then loaded with
            ``weights_only``).

    Raises:
        ModelError: there is no such folder, its configuration is missing, unreadable, not a text
            classifier's or needs remote code, or its weights are missing or pickled.
    """
    path = Path(model)
    if not path.is_dir():
        path = _download(str(model))
    config = _read_config(path)
    onnx_file = next((path / place for place in ONNX_PLACES if (path / place).is_file()), None)
    checkpoint = any((path / name).is_file() for name in CHECKPOINTS)
    pickled = not checkpoint and any((path / name).is_file() for name in PICKLES)
    if pickled and onnx_file is None and not allow_pickle:
        raise ModelError(
            f"The model {model}",
            found="weights in pickled files only (pytorch_model.bin)",
            expected="model.safetensors, since a pickle can run code when it is opened",
            do="Convert it to safetensors, or pass --allow-pickle to load it with weights_only.",
        )
    if not checkpoint and not pickled and onnx_file is None:
        raise ModelError(
            f"The model {model}",
            found="no weights",
            expected=f"one of {', '.join(CHECKPOINTS + ONNX_PLACES)}",
            do="Point to the folder that save_pretrained or an ONNX export wrote.",
        )
    if checkpoint or pickled:
        _refuse_other_heads(model, config)
    _refuse_remote_code(model, config)
    labels = _labels(model, config)
    if len(labels) < 2:
        raise ModelError(
            f"The model {model}",
            found=f"{len(labels)} class, a regression",
            expected="a classifier with at least two classes",
            do="Clampdown defends classifiers.",
        )
    return ModelFolder(
        path=path,
        kind="checkpoint" if checkpoint or pickled else "onnx",
        name=path.name if Path(model).is_dir() else str(model),
        model_type=str(config.get("model_type", "")),
        labels=labels,
        config=config,
        onnx_file=onnx_file,
        pickled=pickled,
    )


def _read_config(path: Path) -> dict[str, Any]:
    file = path / "config.json"
    try:
        config = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        config = None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file}", found=str(error), expected="readable JSON", do="Restore the model's file."
        ) from error
    if not isinstance(config, dict):
        raise ModelError(
            f"The model folder {path}",
            found="no config.json with an object in it",
            expected="a Hugging Face folder, or an ONNX export with its config.json",
            do="Point to the folder that save_pretrained or optimum-cli wrote.",
        )
    return config


def _refuse_other_heads(model: str | Path, config: dict[str, Any]) -> None:
    heads = config.get("architectures") or []
    if not any(str(head).endswith("ForSequenceClassification") for head in heads):
        raise ModelError(
            f"The model {model}",
            found=f"architectures {heads}",
            expected="a ...ForSequenceClassification model",
            do="Fine-tune it as a text classifier first; Clampdown defends classifiers.",
        )


def _refuse_remote_code(model: str | Path, config: dict[str, Any]) -> None:
    from transformers import CONFIG_MAPPING

    if config.get("auto_map") and config.get("model_type") not in CONFIG_MAPPING:
        raise ModelError(
            f"The model {model}",
            found="an architecture that comes as remote code (auto_map in config.json)",
            expected="an architecture that transformers itself contains",
            do="Clampdown never runs code that comes with a model. Export it to ONNX yourself "
            "and pass that folder.",
        )


def _labels(model: str | Path, config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if isinstance(names, dict):
        try:
            return tuple(str(names[key]) for key in sorted(names, key=int))
        except ValueError:
            names = f"id2label with keys {sorted(names)}"
    # transformers leaves id2label out of config.json for the default of two classes.
    elif names is None:
        return tuple(f"LABEL_{i}" for i in range(int(config.get("num_labels", 2))))
    raise ModelError(
        f"config.json of {model}",
        found=str(names),
        expected='an object such as {"0": "negative", "1": "positive"}',
        do="Correct id2label.",
    )


def _download(model: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(
            huggingface_hub.snapshot_download(
                model, allow_patterns=["*.json", "*.safetensors", "*.model", "*.txt"]
            )
        )
    except HFValidationError:
        found = "no such folder"
    except Exception as error:  # the hub client raises a wide family of errors when offline
        found = f"no such folder, and no hub model by that name could be had ({error})"
    raise ModelError(
        f"The model {model}",
        found=found,
        expected="a local folder, or the id of a hub model when a hub can be reached",
        do="Check the path.",
    )
