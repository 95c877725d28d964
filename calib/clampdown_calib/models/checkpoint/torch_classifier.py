"""A Hugging Face classifier in torch whose blocks can be read and clipped while it runs."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from clampdown_calib.difference import largest_difference
from clampdown_calib.models.activations import Activations, Inputs
from clampdown_calib.models.architectures import ARCHITECTURES, INDEX
from clampdown_calib.models.checkpoint.blocks import Layer, hooked, matches, run_order
from clampdown_calib.models.checkpoint.load_checkpoint import load_checkpoint
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.tokenizer.sample_rows import ONES, SampleRows
from clampdown_runtime.bundle.manifest import InputName, Representation
from clampdown_runtime.errors import ClampdownError, ModelError, UnsupportedArchitectureError

Bounds = tuple[NDArray[np.float32], NDArray[np.float32]]
"""The lower and the upper ones, float32 ``[L, H]`` each."""

MASK: InputName = "attention_mask"

SAME = 1e-3
"""Of a float32 logit, relative to the larger of it and 1: what kernels may differ by."""

Visit = Callable[[int, torch.Tensor], torch.Tensor | None]
"""Called with a layer's index and its output ``[batch, sequence, H]``; a returned tensor replaces
the output."""


class TorchClassifier:
    """A classifier with its defended layers.

    Attributes:
        model: the transformers model, in evaluation mode, without gradients of its own.
        inputs: names of the tensors that the model is fed.
        layers: the defended layers in the order in which they run.
        representation: the token that the detector reads.
        samples: the rows that it is tried and traced with.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - of transformers, whose releases differ in their annotations
        inputs: Sequence[InputName],
        *,
        layers: Sequence[str] | None = None,
        representation: Representation | None = None,
        samples: SampleRows = ONES,
    ) -> None:
        """Find the layers.

        Args:
            model: a transformers sequence classifier.
            inputs: names of the tensors to feed; those that the model does not take are left out,
                and ``attention_mask`` is always fed.
            layers: indices into the architecture's blocks (``-1``), or globs over module names;
                None for every block of a known architecture.
            representation: None for the architecture's own.
            samples: rows to run while the layers are looked for.

        Raises:
            ModelError: the model fails on a row.
            UnsupportedArchitectureError: no layers are known for this architecture, ``layers``
                matches none, or a row's logits depend on the other rows of its run or on earlier
                ones.
        """
        self.model = model.eval().requires_grad_(False)
        # Key-value caches are of no use to a classifier and would become outputs of the trace.
        self.model.config.use_cache = False
        taken = inspect.signature(model.forward).parameters
        self.inputs = tuple(
            name for name in get_args(InputName) if name in taken and name in (*inputs, MASK)
        )
        self.samples = samples
        self._require_rows_apart()
        known = ARCHITECTURES.get(model.config.model_type)
        if representation is None:
            representation = known.representation if known else None
        self.representation: Representation = representation or "first"
        # The long row comes first: what a short one changes for good is seen in its second run.
        before = None if samples.long == samples.short else self._try_long()
        self.layers = self._find_layers(known.blocks if known else None, layers)
        if before is not None and _differ(self._try_long(), before):
            raise self._unfit(
                f"other logits for a row of {len(samples.long)} tokens once a shorter row was run",
                "logits that depend on the row alone",
                "Its attention is another one from then on, such as BigBird's block_sparse. If the "
                "model was trained on short texts, which take full attention, set attention_type "
                "to original_full in its config.json.",
            )

    @classmethod
    def load(
        cls,
        folder: ModelFolder,
        inputs: Sequence[InputName],
        *,
        layers: Sequence[str] | None = None,
        representation: Representation | None = None,
        samples: SampleRows = ONES,
    ) -> "TorchClassifier":
        """Load the checkpoint in float32; code that comes with it is never run.

        Raises:
            ModelError: the checkpoint does not load, lacks weights of the classifier or has weights
                that it has no place for, or the model fails on a row.
            UnsupportedArchitectureError: as for the constructor.
        """
        model = load_checkpoint(folder)
        return cls(model, inputs, layers=layers, representation=representation, samples=samples)

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

        with hooked(self.model, list(places), visit_block):
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
        found = self._run_order([m for m in modules if blocks and matches(m, blocks)])
        if not wanted and not found:
            raise self._unsupported(f"no module that matches {blocks}")
        chosen = set(found) if not wanted else set()
        for want in wanted or ():
            chosen |= self._named(want, found, modules)
        order = self._run_order({layer.module for layer in chosen}, check=self._require_hidden)
        return tuple(layer for layer in order if layer in chosen)

    def _run_order(
        self,
        modules: Iterable[str],
        *,
        check: Callable[[str, tuple[int, ...] | None], None] | None = None,
    ) -> list[Layer]:
        return run_order(self.model, modules, self._try_short, check=check)

    def _named(self, want: str, found: Sequence[Layer], modules: Sequence[str]) -> set[Layer]:
        """The layers that one index or glob means."""
        if INDEX.fullmatch(want):
            if not -len(found) <= int(want) < len(found):
                raise self._unsupported(f"{len(found)} blocks, and --layers {want}")
            return {found[int(want)]}
        base = want.split("#", maxsplit=1)[0]
        ran = self._run_order([m for m in modules if matches(m, base)])
        named = {layer for layer in ran if matches(layer.name, want) or matches(layer.module, want)}
        if not named:
            raise self._unsupported(f"no module that matches {want}")
        return named

    def _require_rows_apart(self) -> None:
        """Refuse architectures in which rows of one run are not apart from each other."""
        if MASK not in self.inputs:
            raise self._unfit(
                f"no {MASK} among its inputs",
                "one that hides padding, without which a row's logits depend on its batch",
                "Fine-tune an architecture that docs/models.md lists as defended.",
            )
        if self.model.config.is_encoder_decoder:
            raise self._unfit(
                "an encoder with a decoder, whose head reads the <eos> tokens of all rows at once",
                "a head that reads each row by itself: a text with one more <eos> in it would "
                "change the other rows' logits",
                "Fine-tune an encoder or a decoder that docs/models.md lists as defended.",
            )

    def _require_hidden(self, name: str, shape: tuple[int, ...] | None) -> None:
        """Refuse a module whose output for one row of T tokens is not ``[1, T, H]``."""
        tokens = len(self.samples.short)
        if shape is None or len(shape) != 3 or shape[:2] != (1, tokens):
            found = "no tensor" if shape is None else f"the shape {[*shape]} for {tokens} tokens"
            raise self._unsupported(f"{found} as the output of {name}")

    def _try_short(self) -> torch.Tensor:
        return self._try(self.samples.short, self.samples.short_types)

    def _try_long(self) -> torch.Tensor:
        return self._try(self.samples.long, self.samples.long_types)

    def _try(self, row: Sequence[int], types: Sequence[int] | None) -> torch.Tensor:
        """Logits of one row, as the runtime would feed it.

        Raises:
            ModelError: the model fails.
        """
        feed = {name: torch.zeros((1, len(row)), dtype=torch.int64) for name in self.inputs}
        feed |= {"input_ids": torch.tensor([row]), MASK: torch.ones_like(feed[MASK])}
        if types is not None and "token_type_ids" in feed:
            feed["token_type_ids"] = torch.tensor([types])
        try:
            with torch.no_grad():
                return self.logits(feed)
        except ClampdownError:
            raise
        except Exception as error:  # whatever a network raises that was configured oddly
            raise ModelError(
                f"The model of architecture {self.model.config.model_type!r}",
                found=f"a failed run of {len(row)} tokens ({type(error).__name__}: {error})",
                expected="logits",
                hint="Check that its config.json is the one it was trained with, and that it and "
                "tokenizer_config.json allow no longer texts than that, and of pairs no token "
                "types that the model has none for (type_vocab_size).",
            ) from error

    def _unfit(self, found: str, expected: str, hint: str) -> UnsupportedArchitectureError:
        return UnsupportedArchitectureError(
            f"The architecture {self.model.config.model_type!r}",
            found=found,
            expected=expected,
            hint=hint,
        )

    def _unsupported(self, found: str) -> UnsupportedArchitectureError:
        return UnsupportedArchitectureError(
            f"The layers of architecture {self.model.config.model_type!r}",
            found=found,
            expected=f"one of {', '.join(sorted(ARCHITECTURES))}, or layers named by hand",
            hint="Pass --layers with globs over module names whose output is the hidden state, "
            "such as --layers 'encoder.blocks.*', and --representation first or last.",
        )


def _differ(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return largest_difference(found.numpy(), expected.numpy()) > SAME
