"""Runs batches through CUDA graphs, one for each of a few shapes."""

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.sessions.bound_run import BoundRun
from clampdown_runtime.sessions.session import THRESHOLD

if TYPE_CHECKING:
    import onnxruntime

SHORTEST = 16
"""Tokens of the shortest shape: below, a run takes no less time."""


class CudaGraphs:
    """Pads every batch to a shape that was captured, and captures it where it is new.

    Rows and tokens of a shape are powers of two, so that there are few: a row's result depends
    neither on its padding nor on the rows beside it.
    """

    def __init__(
        self, session: "onnxruntime.InferenceSession", manifest: Manifest, *, device: str = "cuda"
    ) -> None:
        """Starts without shapes.

        Args:
            session: created with ``cuda_graphs``.
            manifest: of its bundle.
            device: where it runs.
        """
        self._session = session
        self._manifest = manifest
        self._device = device
        self._runs: dict[tuple[int, int], BoundRun] = {}
        # The places of a shape hold one batch at a time.
        self._lock = threading.Lock()

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shapes that were captured, rows and tokens."""
        return list(self._runs)

    def run(self, feed: dict[str, npt.NDArray[np.generic]]) -> list[npt.NDArray[np.generic]]:
        """The outputs of a batch, in the order of the contract.

        Args:
            feed: int64 ``[rows, tokens]`` inputs, and the threshold where another one is wanted.
        """
        threshold = feed.get(THRESHOLD, np.array([self._manifest.threshold], np.float32))
        rows, tokens = feed["input_ids"].shape
        shape = _next_power(rows), self._tokens(tokens)
        inputs: dict[str, npt.NDArray[np.generic]] = {
            name: self._padded(name, feed[name], shape) for name in self._manifest.inputs
        }
        inputs[THRESHOLD] = threshold
        with self._lock:
            if shape not in self._runs:
                self._runs[shape] = BoundRun(
                    self._session,
                    inputs,
                    classes=len(self._manifest.labels),
                    device=self._device,
                    number=len(self._runs) + 1,
                )
            found = self._runs[shape].of(inputs)
        return [output[:rows] for output in found.values()]

    def _tokens(self, tokens: int) -> int:
        return min(max(_next_power(tokens), SHORTEST), max(self._manifest.max_length, tokens))

    def _padded(
        self, name: str, given: npt.NDArray[np.generic], shape: tuple[int, int]
    ) -> npt.NDArray[np.generic]:
        padding = self._manifest.padding
        fill = {"input_ids": padding.token_id, "token_type_ids": padding.type_id}.get(name, 0)
        missing = shape[1] - given.shape[1]
        sides = (missing, 0) if padding.side == "left" else (0, missing)
        wide = np.pad(given, ((0, 0), sides), constant_values=fill)
        # Copies of a row, since a row without tokens has no mean.
        return np.pad(wide, ((0, shape[0] - given.shape[0]), (0, 0)), mode="edge")


def _next_power(number: int) -> int:
    return 1 << (number - 1).bit_length()
