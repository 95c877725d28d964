"""What is needed of a model that runs: its logits and the outputs of its defended layers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime.bundle.manifest import Representation

Inputs = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Activations:
    """One batch's run.

    Attributes:
        logits: float32 ``[n, C]``.
        hidden: one float32 ``[n, T, H]`` per defended layer.
    """

    logits: NDArray[np.float32]
    hidden: list[NDArray[np.float32]]


class ActivationSource(Protocol):
    """A model that can be run and looked into, in torch or in ONNX Runtime."""

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the defended layers, in the order in which they run."""

    @property
    def representation(self) -> Representation:
        """The token that the detector reads."""

    def activations(self, inputs: Inputs) -> Activations:
        """Run the undefended model on int64 ``[n, T]`` inputs."""
