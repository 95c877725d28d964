"""A Hugging Face classifier in torch whose blocks can be read and clipped while it runs."""

import fnmatch
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clampdown_calib.models.activations import Activations, Inputs
from clampdown_calib.models.architectures import ARCHITECTURES, INDEX
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.quiet import quiet_transformers
from clampdown_runtime.bundle.manifest import InputName, Representation
from clampdown_runtime.errors import ClampdownError, ModelError, UnsupportedArchitectureError

Bounds = tuple[NDArray[np.float32], NDArray[np.float32]]
"""The lower and the upper ones, float32 ``[L, H]`` each."""

Visit = Callable[[int, torch.Tensor], torch.Tensor | None]
"""Called with a layer's index and its output ``[batch, sequence, H]``; a returned tensor replaces
the output."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One execution of a block: a module that is shared between layers is called several times."""

    module: str
    call: int
    shared: bool

    @property
    def name(self) -> str:
        """The module's name, followed by ``#call`` where the module is shared."""
        return f"{self.module}#{self.call}" if self.shared else self.module


class TorchClassifier:
    """A classifier with its defended layers.

    Attributes:
        model: the transformers model, in evaluation mode, without gradients of its own.
        inputs: names of the tensors that the model takes, in the tokenizer's order.
        layers: the defended layers in the order in which they run.
        representation: the token that the detector reads.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - of transformers, whose releases differ in their annotations
        inputs: Sequence[InputName],
        *,
        layers: Sequence[str] | None = None,
        representation: Representation | None = None,
    ) -> None:
        """Find the layers.

        Args:
            model: a transformers sequence classifier.
            inputs: names of the tensors to feed; those that the model does not take are left out.
            layers: indices into the architecture's blocks (``-1``), or globs over module names;
                None for every block of a known architecture.
            representation: None for the architecture's own.

        Raises:
            UnsupportedArchitectureError: no layers are known for this architecture, or ``layers``
                matches none.
        """
        self.model = model.eval().requires_grad_(False)
        # Key-value caches are of no use to a classifier and would become outputs of the trace.
        self.model.config.use_cache = False
        taken = inspect.signature(model.forward).parameters
        self.inputs = tuple(name for name in inputs if name in taken)
        known = ARCHITECTURES.get(model.config.model_type)
        if representation is None:
            representation = known.representation if known else None
        self.representation: Representation = representation or "first"
        self.layers = self._find_layers(known.blocks if known else None, layers)

    @classmethod
    def load(
        cls,
        folder: ModelFolder,
        inputs: Sequence[InputName],
        *,
        layers: Sequence[str] | None = None,
        representation: Representation | None = None,
    ) -> "TorchClassifier":
        """Load the checkpoint in float32; code that comes with it is never run.

        Raises:
            ModelError: the checkpoint does not load, or lacks weights of the classifier.
        """
        from transformers import (  # noqa: PLC0415 - takes seconds
            AutoModelForSequenceClassification,
        )

        try:
            with quiet_transformers():
                model, report = AutoModelForSequenceClassification.from_pretrained(
                    folder.path,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    output_loading_info=True,
                    use_safetensors=not folder.pickled,
                    weights_only=True,
                )
        except Exception as error:  # transformers passes on whatever its parts raise
            raise ModelError(
                f"The checkpoint {folder.path}",
                found=f"{type(error).__name__}: {error}",
                expected="weights that transformers loads as a sequence classifier",
                hint="Check that the files are complete.",
            ) from error
        if report["missing_keys"] or report["mismatched_keys"]:
            missing = sorted(report["missing_keys"]) + [str(k) for k in report["mismatched_keys"]]
            raise ModelError(
                f"The checkpoint {folder.path}",
                found=f"no fitting weights for {', '.join(missing[:5])}",
                expected="every weight of the classifier, its head included",
                hint="Point to the fine-tuned model, not to its base.",
            )
        return cls(model, inputs, layers=layers, representation=representation)

    def logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits float32 ``[n, C]`` of int64 ``[n, T]`` inputs."""
        result: torch.Tensor = self.model(**batch).logits
        return result

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the defended layers, in the order in which they run."""
        return tuple(layer.name for layer in self.layers)

    def activations(self, inputs: Inputs, *, clip: Bounds | None = None) -> Activations:
        """Run the model on int64 ``[n, T]`` inputs.

        Args:
            inputs: by name.
            clip: bounds to clip every layer into; its output is returned as it was before.
        """
        hidden: dict[int, torch.Tensor] = {}
        bounds = clip and (torch.from_numpy(clip[0]), torch.from_numpy(clip[1]))

        def visit(k: int, output: torch.Tensor) -> torch.Tensor | None:
            hidden[k] = output
            return output.clamp(bounds[0][k], bounds[1][k]) if bounds else None

        with torch.no_grad(), self.visiting(visit):
            logits = self.logits({name: torch.from_numpy(ids) for name, ids in inputs.items()})
        return Activations(logits.numpy(), [hidden[k].numpy() for k in range(len(hidden))])

    @contextmanager
    def visiting(self, visit: Visit) -> Iterator[None]:
        """While the block runs, every defended layer's output goes through ``visit``."""
        places: dict[str, dict[int, int]] = defaultdict(dict)
        for index, layer in enumerate(self.layers):
            places[layer.module][layer.call] = index

        def visit_block(name: str, call: int, hidden: torch.Tensor) -> torch.Tensor | None:
            return visit(places[name][call], hidden) if call in places[name] else None

        with _hooked(self.model, list(places), visit_block):
            yield

    @contextmanager
    def clipping(self, lower: torch.Tensor, upper: torch.Tensor) -> Iterator[None]:
        """While the block runs, every defended layer is clipped into float32 ``[L, H]`` bounds."""
        with self.visiting(lambda k, hidden: hidden.clamp(lower[k], upper[k])):
            yield

    def _find_layers(self, blocks: str | None, wanted: Sequence[str] | None) -> tuple[Layer, ...]:
        modules = [name for name, _ in self.model.named_modules() if name]
        if blocks is None and (not wanted or any(INDEX.fullmatch(want) for want in wanted)):
            raise self._unsupported("no entry for this architecture")
        found = _run_order(self, [m for m in modules if blocks and _matches(m, blocks)])
        if not wanted and not found:
            raise self._unsupported(f"no module that matches {blocks}")
        chosen = set(found) if not wanted else set()
        for want in wanted or ():
            chosen |= self._named(want, found, modules)
        order = _run_order(self, {layer.module for layer in chosen}, check=self._require_hidden)
        return tuple(layer for layer in order if layer in chosen)

    def _named(self, want: str, found: Sequence[Layer], modules: Sequence[str]) -> set[Layer]:
        """The layers that one index or glob means."""
        if INDEX.fullmatch(want):
            if not -len(found) <= int(want) < len(found):
                raise self._unsupported(f"{len(found)} blocks, and --layers {want}")
            return {found[int(want)]}
        base = want.split("#", maxsplit=1)[0]
        ran = _run_order(self, [m for m in modules if _matches(m, base)])
        named = {
            layer for layer in ran if _matches(layer.name, want) or _matches(layer.module, want)
        }
        if not named:
            raise self._unsupported(f"no module that matches {want}")
        return named

    def _require_hidden(self, name: str, shape: tuple[int, ...] | None) -> None:
        """Refuse a module whose output for one row of two tokens is not ``[1, 2, H]``."""
        if shape is None or len(shape) != 3 or shape[:2] != (1, 2):
            found = "no tensor" if shape is None else f"the shape {[*shape]} for two tokens"
            raise self._unsupported(f"{found} as the output of {name}")

    def _unsupported(self, found: str) -> UnsupportedArchitectureError:
        return UnsupportedArchitectureError(
            f"The layers of architecture {self.model.config.model_type!r}",
            found=found,
            expected=f"one of {', '.join(sorted(ARCHITECTURES))}, or layers named by hand",
            hint="Pass --layers with globs over module names whose output is the hidden state, "
            "such as --layers 'encoder.blocks.*', and --representation first or last.",
        )


def _matches(name: str, glob: str) -> bool:
    """A glob over dotted names in which ``*`` does not cross a dot."""
    parts, patterns = name.split("."), glob.split(".")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _run_order(
    classifier: TorchClassifier,
    modules: Iterable[str],
    *,
    check: Callable[[str, tuple[int, ...] | None], None] | None = None,
) -> list[Layer]:
    """Run the model once and note which of the modules run, how often and in what order."""
    ran: list[tuple[str, int]] = []

    def note(name: str, call: int, hidden: torch.Tensor) -> None:
        if check is not None:
            check(name, tuple(hidden.shape) if isinstance(hidden, torch.Tensor) else None)
        ran.append((name, call))

    token = torch.ones((1, 2), dtype=torch.int64)
    try:
        with _hooked(classifier.model, modules, note), torch.no_grad():
            classifier.logits({name: token.clone() for name in classifier.inputs})
    except ClampdownError:
        raise
    except Exception as error:  # whatever a network raises that was configured oddly
        raise ModelError(
            f"The model of architecture {classifier.model.config.model_type!r}",
            found=f"a failed run of two tokens ({type(error).__name__}: {error})",
            expected="logits",
            hint="Check that its config.json is the one it was trained with.",
        ) from error
    times = Counter(name for name, _ in ran)
    return [Layer(name, call, shared=times[name] > 1) for name, call in ran]


@contextmanager
def _hooked(
    model: torch.nn.Module,
    modules: Iterable[str],
    visit: Callable[[str, int, torch.Tensor], torch.Tensor | None],
) -> Iterator[None]:
    """Call ``visit`` with a module's name, its call number in this run, and its hidden state."""
    calls: Counter[str] = Counter()

    def hook_of(name: str) -> Callable[[object, object, object], object]:
        def hook(_module: object, _inputs: object, output: object) -> object:
            hidden: Any = output[0] if isinstance(output, tuple) else output
            replaced = visit(name, calls[name], hidden)
            calls[name] += 1
            if replaced is None or not isinstance(output, tuple):
                return replaced
            return (replaced, *output[1:])

        return hook

    handles = [model.register_forward_pre_hook(lambda *_: calls.clear())]
    handles += [model.get_submodule(name).register_forward_hook(hook_of(name)) for name in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
