"""What calibration needs of a model: its logits and the outputs of its defended layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.architectures import Representation
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.detectors import Representations

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


def representations(
    source: ActivationSource, rows: EncodedRows
) -> Iterator[Representations]:
    """What a detector sees of every batch of ``rows``."""
    for _, inputs in rows.batches():
        run = source.activations(inputs)
        token = token_positions(inputs["attention_mask"], source.representation)
        sample = np.arange(len(token))
        yield Representations(
            np.stack([hidden[sample, token] for hidden in run.hidden], axis=1), run.logits
        )


def token_positions(
    mask: NDArray[np.int64], representation: Representation
) -> NDArray[np.int64]:
    """Where each row's representation token stands, int64 ``[n]`` of an int64 ``[n, T]`` mask."""
    if representation == "first":
        return np.zeros(len(mask), dtype=np.int64)
    last: NDArray[np.int64] = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return last
