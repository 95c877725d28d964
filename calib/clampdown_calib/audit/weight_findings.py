"""Which tensors of a checkpoint no layer reads, and which layers find none; none is loaded."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from safetensors import safe_open

from clampdown_calib.audit.finding import Finding, listed
from clampdown_calib.models.checkpoint.lora_adapter import PREFIX
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.quiet import quiet_transformers

Shapes = dict[str, tuple[int, ...]]

OLD_NAMES = {"gamma": "weight", "beta": "bias"}
"""What transformers reads of checkpoints that were converted from TensorFlow."""

LORA = "lora_"


def weight_findings(folder: ModelFolder) -> Iterator[Finding]:
    """Compare the names and shapes in a checkpoint with those of its architecture.

    Those of an adapter's head take the place of the base model's; its matrices are merged.

    The architecture is built by transformers from ``config.json`` alone, without memory for its
    weights, and none of the model's code is run.

    Args:
        folder: a checkpoint in safetensors.
    """
    stored: Shapes = {}
    of_adapter: Shapes = {}
    adapter = folder.adapter
    files = [(path, stored) for path in folder.weights]
    files += [(adapter.weights, of_adapter)] if adapter is not None else []
    for path, shapes in files:
        if path.suffix != ".safetensors":
            continue
        try:
            with safe_open(path, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - it is no dictionary
                    shapes[name] = tuple(tensors.get_slice(name).get_shape())
        except Exception as error:  # safetensors' own kind, and those of the system
            yield Finding("damaged", path.name, f"not a whole safetensors file ({error})", True)
            return
    stored |= {n.removeprefix(PREFIX): s for n, s in of_adapter.items() if LORA not in n}
    lora = [name for name in stored if LORA in name]
    if lora:
        text = f"weights of LoRA, which the network itself has not: {listed(lora)}"
        yield Finding("weights", ".", text, review=True)
    try:
        model = _without_weights(folder, tensors=len(stored))
    except Exception as error:  # transformers passes on whatever its parts raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        found = f"its architecture cannot be built from it ({lines[0]})"
        yield Finding("damaged", "config.json", found, review=True)
        return
    yield from _differences(model, {n: s for n, s in stored.items() if LORA not in n})


def _without_weights(folder: ModelFolder, *, tensors: int) -> Any:  # noqa: ANN401 - of transformers
    import torch  # noqa: PLC0415 - takes seconds
    from transformers import (  # noqa: PLC0415 - as above
        AutoConfig,
        AutoModelForSequenceClassification,
    )

    with quiet_transformers():
        config: Any = AutoConfig.from_pretrained(folder.config_path, trust_remote_code=False)
        layers = getattr(config, "num_hidden_layers", 0)
        # A module is made for every layer, whether or not there are weights for it. ALBERT's layers
        # share theirs.
        if config.model_type != "albert" and layers > tensors:
            raise ValueError(f"{layers} layers, and {tensors} tensors in the checkpoint")
        with torch.device("meta"):
            built: Any = AutoModelForSequenceClassification
            return built.from_config(config)


def _differences(model: Any, stored: Shapes) -> Iterator[Finding]:  # noqa: ANN401 - as above
    wanted: Shapes = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    prefix = f"{model.base_model_prefix}."
    found: dict[str, str] = {}
    unread = []
    for name in stored:
        read_as = next((n for n in _names(name, prefix) if n in wanted), None)
        if read_as is None:
            unread.append(name)
        else:
            found[read_as] = name
    unread = _unmatched(unread, model._keys_to_ignore_on_load_unexpected)
    tied: Mapping[str, str] = getattr(model, "all_tied_weights_keys", None) or {}
    missing = [name for name in wanted if name not in found and name not in tied]
    missing = _unmatched(missing, model._keys_to_ignore_on_load_missing)
    other = [n for n, s in found.items() if stored[s] != wanted[n]]
    if unread:
        text = f"weights that no layer reads: {listed(sorted(unread))}"
        yield Finding("weights", ".", text, review=False)
    if missing:
        text = f"weights of the network that are not there: {listed(sorted(missing))}"
        yield Finding("weights", ".", text, review=True)
    if other:
        shapes = [
            f"{name} {[*stored[found[name]]]} for {[*wanted[name]]}" for name in sorted(other)
        ]
        yield Finding("weights", ".", f"weights of other shapes: {listed(shapes)}", review=True)


def _names(name: str, prefix: str) -> Iterator[str]:
    """The names under which transformers looks for a stored tensor."""
    *modules, last = name.split(".")
    for new in (name, ".".join([*modules, OLD_NAMES.get(last, last)])):
        yield from (new, prefix + new, new.removeprefix(prefix))


def _unmatched(names: Iterable[str], ignored: Iterable[str] | None) -> list[str]:
    """Those that transformers does not leave out by itself."""
    return [n for n in names if not any(re.search(pattern, n) for pattern in ignored or ())]
