"""A Hugging Face classifier in torch whose blocks can be read and clipped while it runs."""

import fnmatch
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from clampdown_runtime.errors import ModelError, UnsupportedArchitectureError

from clampdown_calib.activations import Activations, Inputs
from clampdown_calib.architectures import ARCHITECTURES, Representation
from clampdown_calib.intervals import Intervals
from clampdown_calib.model_folder import ModelFolder
from clampdown_calib.quiet import quiet_transformers

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
        model: Any,
        inputs: Sequence[str],
        *,
        layers: Sequence[str] | None = None,
        representation: Representation | None = None,
    ) -> None:
        """Find the layers.

        Args:
            model: a transformers sequence classifier.
            inputs: names of the tensors to feed.
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
        self.inputs = tuple(inputs)
        known = ARCHITECTURES.get(model.config.model_type)
        if representation is None:
            representation = known.representation if known else None
        self.representation: Representation = representation or "first"
        self.layers = self._find_layers(known.blocks if known else None, layers)

    @classmethod
    def load(
        cls,
        folder: ModelFolder,
        inputs: Sequence[str],
        *,
        layers: Sequence[str] | None = None,
        representation: Representation | None = None,
    ) -> "TorchClassifier":
        """Load the checkpoint in float32; code that comes with it is never run.

        Raises:
            ModelError: the checkpoint does not load, or lacks weights of the classifier.
        """
        from transformers import AutoModelForSequenceClassification

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
                do="Check that the files are complete.",
            ) from error
        if report["missing_keys"] or report["mismatched_keys"]:
            missing = sorted(report["missing_keys"]) + [str(k) for k in report["mismatched_keys"]]
            raise ModelError(
                f"The checkpoint {folder.path}",
                found=f"no fitting weights for {', '.join(missing[:5])}",
                expected="every weight of the classifier, its head included",
                do="Point to the fine-tuned model, not to its base.",
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

    def activations(self, inputs: Inputs, *, clip: Intervals | None = None) -> Activations:
        """Run the model on int64 ``[n, T]`` inputs.

        Args:
            inputs: by name.
            clip: intervals to clip every layer into; its output is returned as it was before.
        """
        hidden: dict[int, torch.Tensor] = {}
        bounds = clip and (torch.from_numpy(clip.lower), torch.from_numpy(clip.upper))

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

    def _find_layers(
        self, blocks: str | None, wanted: Sequence[str] | None
    ) -> tuple[Layer, ...]:
        modules = [name for name, _ in self.model.named_modules() if name]
        indices = [w for w in wanted or () if w.lstrip("-").isdigit()]
        globs = [w for w in wanted or () if not w.lstrip("-").isdigit()]
        if blocks is None and (indices or not wanted):
            raise self._unsupported("no entry for this architecture")
        found = _run_order(self, [m for m in modules if blocks and _matches(m, blocks)])
        chosen = [found[int(i)] for i in indices if -len(found) <= int(i) < len(found)]
        if len(chosen) != len(indices):
            raise self._unsupported(f"{len(found)} blocks, and --layers {','.join(indices)}")
        if globs:
            bases = [g.split("#")[0] for g in globs]
            named = _run_order(self, [m for m in modules if any(_matches(m, b) for b in bases)])
            chosen += [
                layer
                for layer in named
                if any(_matches(layer.name, g) or _matches(layer.module, g) for g in globs)
            ]
        layers = chosen if wanted else found
        if not layers:
            raise self._unsupported(f"no module that matches {','.join(wanted or [blocks or ''])}")
        order = {layer: i for i, layer in enumerate(_run_order(self, {la.module for la in layers}))}
        return tuple(sorted(set(layers), key=order.__getitem__))

    def _unsupported(self, found: str) -> UnsupportedArchitectureError:
        return UnsupportedArchitectureError(
            f"The layers of architecture {self.model.config.model_type!r}",
            found=found,
            expected=f"one of {', '.join(sorted(ARCHITECTURES))}, or layers named by hand",
            do="Pass --layers with globs over module names whose output is the hidden state, "
            "such as --layers 'encoder.blocks.*', and --representation first or last.",
        )


def _matches(name: str, glob: str) -> bool:
    """A glob over dotted names in which ``*`` does not cross a dot."""
    parts, patterns = name.split("."), glob.split(".")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _run_order(classifier: TorchClassifier, modules: Any) -> list[Layer]:
    """Run the model once and note which of the modules run, how often and in what order."""
    ran: list[tuple[str, int]] = []

    def note(name: str, call: int, _: torch.Tensor) -> None:
        ran.append((name, call))

    token = torch.ones((1, 2), dtype=torch.int64)
    with _hooked(classifier.model, modules, note), torch.no_grad():
        classifier.logits({name: token.clone() for name in classifier.inputs})
    times = Counter(name for name, _ in ran)
    return [Layer(name, call, shared=times[name] > 1) for name, call in ran]


@contextmanager
def _hooked(
    model: Any, modules: Any, visit: Callable[[str, int, torch.Tensor], torch.Tensor | None]
) -> Iterator[None]:
    """Call ``visit`` with a module's name, its call number in this run, and its hidden state."""
    calls: Counter[str] = Counter()

    def hook_of(name: str) -> Callable[[Any, Any, Any], Any]:
        def hook(_module: Any, _inputs: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
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
