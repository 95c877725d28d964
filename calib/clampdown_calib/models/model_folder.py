"""What lies in the MODEL folder, a Hugging Face checkpoint, an adapter or an ONNX classifier."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clampdown_calib.models.checkpoint.checkpoint_files import (
    CHECKPOINTS,
    PICKLES,
    refuse_other_files,
    weight_files,
)
from clampdown_calib.models.checkpoint.lora_adapter import LoraAdapter, read_adapter
from clampdown_calib.models.configuration import (
    CHOICE,
    classifier_of,
    labels_of,
    problem_type_of,
    read_config,
    refuse_endless_networks,
    refuse_other_heads,
    refuse_remote_code,
)
from clampdown_calib.models.external_data import external_files
from clampdown_calib.models.folder_files import CONFIGURATION, VOCABULARY, refuse_odd_files
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.manifest import TOKENIZER_FILE, ProblemType
from clampdown_runtime.errors import ModelError

ONNX_PLACES = ("model.onnx", "onnx/model.onnx")

TOKENIZER_FILES = (TOKENIZER_FILE, *VOCABULARY)
"""Any of them makes a tokenizer."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A classifier on disk.

    Attributes:
        path: the folder with the weights; of an adapter, that of its base model.
        kind: ``checkpoint`` (Hugging Face weights) or ``onnx`` (a graph, without gradients).
        name: the folder's name or hub id; the adapter's where there is one.
        model_type: ``model_type`` of ``config.json``.
        labels: the name of class 0, 1, …
        config: the whole of ``config.json``; of an adapter with the architecture of a classifier.
        config_path: the folder of that ``config.json``.
        tokenizer_path: the folder with the tokenizer.
        onnx_file: the graph of an ``onnx`` folder, else None.
        weights: the files that a checkpoint's weights are read from; none of an ``onnx`` folder.
        pickled: the weights to load are a pickle, which was allowed.
        adapter: what is merged into the weights.
        problem_type: whether it chooses one label or gives any number of them.
    """

    path: Path
    kind: Literal["checkpoint", "onnx"]
    name: str
    model_type: str
    labels: tuple[str, ...]
    config: dict[str, Any]
    config_path: Path
    tokenizer_path: Path
    onnx_file: Path | None
    weights: tuple[Path, ...]
    pickled: bool
    adapter: LoraAdapter | None = None
    problem_type: ProblemType = CHOICE

    def digest(self) -> str:
        """``sha256:…`` over the names and digests of configuration, tokenizer and weights."""
        weights = set(self.weights)
        if self.onnx_file is not None:
            weights |= {self.onnx_file, *external_files(self.onnx_file)}
        lines = _digests(self.path, weights)
        if self.adapter is not None:
            of_adapter = _digests(self.adapter.path, {self.adapter.weights})
            lines += [f"adapter/{line}" for line in of_adapter]
        return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_model(model: str | Path, *, allow_pickle: bool = False) -> ModelFolder:
    """Find out what ``model`` is, without loading weights and without running any of its code.

    Args:
        model: a local folder, or a hub id such as ``org/name``. That of an adapter is read with the
            folder of its base model; what ``config.json`` and the tokenizer say is taken from the
            adapter's folder where it has them.
        allow_pickle: accept a checkpoint whose only weights are a pickle (then loaded with
            ``weights_only``).

    Raises:
        ModelError: there is no such folder, a file in it is a link that leaves it or has no end,
            its configuration is missing, unreadable, not a text
            classifier's, needs remote code or names other files of weights, or its weights are
            missing, pickled or outside the folder; or it is an adapter that cannot be merged.
    """
    place = Path(model)
    if not place.is_dir():
        place = _download(str(model), allow_pickle=allow_pickle)
    refuse_odd_files(place)
    adapter = read_adapter(place, allow_pickle=allow_pickle)
    path = place
    if adapter is not None:
        path = adapter.base
        refuse_odd_files(path)
    config_path = place if (place / "config.json").is_file() else path
    config = read_config(config_path)
    onnx_files = _onnx_files(path) if adapter is None else []
    onnx_file = onnx_files[0] if len(onnx_files) == 1 else None
    checkpoint = any((path / name).is_file() for name in CHECKPOINTS)
    pickled = not checkpoint and any((path / name).is_file() for name in PICKLES)
    if pickled and onnx_file is not None and not allow_pickle:
        pickled = False
    weighed, configured = (model, model) if adapter is None else (path, config_path)
    if pickled and not allow_pickle:
        raise ModelError(
            f"The model {weighed}",
            found="weights in pickled files only (pytorch_model.bin)",
            expected="model.safetensors, since a pickle can run code when it is opened",
            hint="Convert it to safetensors, or pass --allow-pickle to load it with weights_only.",
        )
    if not checkpoint and not pickled and onnx_file is None:
        raise ModelError(
            f"The model {weighed}",
            found=_several(path, onnx_files) if onnx_files else "no weights",
            expected=f"one of {', '.join(CHECKPOINTS + ONNX_PLACES)}, or one other ONNX file alone",
            hint="Point to the folder that save_pretrained or an ONNX export wrote; of several "
            "ONNX files keep the one to defend.",
        )
    weights: tuple[Path, ...] = ()
    if checkpoint or pickled:
        onnx_file = None
        weights = weight_files(path, pickled=pickled)
        refuse_other_files(path, config)
        if adapter is not None:
            config = {**config, "architectures": classifier_of(config)}
        refuse_other_heads(configured, config)
        refuse_remote_code(configured, config)
    refuse_endless_networks(configured, config)
    labels = labels_of(configured, config)
    return ModelFolder(
        path=path,
        kind="checkpoint" if onnx_file is None else "onnx",
        name=place.resolve().name if Path(model).is_dir() else str(model),
        model_type=str(config.get("model_type", "")),
        labels=labels,
        problem_type=problem_type_of(configured, config, labels),
        config=config,
        config_path=config_path,
        tokenizer_path=place if _has_tokenizer(place) else path,
        onnx_file=onnx_file,
        weights=weights,
        pickled=pickled,
        adapter=adapter,
    )


def _digests(folder: Path, weights: set[Path]) -> list[str]:
    found = {p for pattern in (*CONFIGURATION, *VOCABULARY) for p in folder.glob(pattern)}
    files = [p for p in found | weights if p.is_file()]
    return sorted(f"{p.relative_to(folder).as_posix()} {file_digest(p)}" for p in files)


def _has_tokenizer(folder: Path) -> bool:
    return any(p.is_file() for name in TOKENIZER_FILES for p in folder.glob(name))


def _onnx_files(path: Path) -> list[Path]:
    """The graph under its usual name; where there is none, every ONNX file in its places."""
    for place in ONNX_PLACES:
        if (path / place).is_file():
            return [path / place]
    folders = sorted({(path / place).parent for place in ONNX_PLACES})
    found = [file for folder in folders for file in sorted(folder.glob("*.onnx"))]
    # Hidden files belong to other tools.
    return [file for file in found if file.is_file() and not file.name.startswith(".")]


def _several(path: Path, files: list[Path]) -> str:
    names = ", ".join(file.relative_to(path).as_posix() for file in files)
    return f"several ONNX files, none of them called model.onnx: {names}"


def _download(model: str, *, allow_pickle: bool) -> Path:
    if Path(model).exists():
        raise ModelError(
            f"The model {model}",
            found="a file",
            expected="the folder that holds the model and its config.json",
            hint="Pass the folder.",
        )
    import huggingface_hub  # noqa: PLC0415 - not needed for a local folder
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", *(["*.bin"] if allow_pickle else [])]
    try:
        return Path(huggingface_hub.snapshot_download(model, allow_patterns=patterns))
    except HFValidationError:
        found = "no such folder"
    except Exception as error:  # the hub client raises a wide family of errors when offline
        found = f"no such folder, and no hub model by that name could be had ({error})"
    raise ModelError(
        f"The model {model}",
        found=found,
        expected="a local folder, or the id of a hub model when a hub can be reached",
        hint="Check the path.",
    )
