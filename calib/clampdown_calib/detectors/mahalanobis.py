"""Class-conditional Mahalanobis distance in the principal subspace of every layer."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.interface import Detector, Passes, Representations
from clampdown_calib.statistics import ClassScatter, RunningMoments

RANK = 16
"""Principal directions kept per layer: more of them fit the clean rows themselves, so that unseen
clean rows look abnormal, and cost file size, RANK * H floats a layer."""


@dataclass(frozen=True, slots=True)
class MahalanobisDetector(Detector):
    """Distance to the nearest clean class mean, averaged over the layers.

    At every layer the distance is ``d(x)^2 = min_c (x - mu_c)^T Sigma^-1 (x - mu_c)`` (Lee et al.,
    NeurIPS 2018) with one covariance for all classes. Of Sigma the largest eigenvalues are kept
    and the others replaced by their mean, the maximum-likelihood model of probabilistic PCA
    (Tipping and Bishop, 1999); then ``d^2 = ||s (x - mu)||^2 - ||P (x - mu)||^2`` with
    ``s^2 = 1 / mean(other eigenvalues)`` and ``P = diag(s^2 - 1 / eigenvalue)^(1/2) V^T``. The score
    is the mean over layers of ``(d - mean(d)) / std(d)``, the moments taken on clean rows.

    The class of a row is the one that the model predicts.

    Attributes:
        means: float32 ``[L, C', H]`` of the classes that the model predicted on clean rows.
        directions: float32 ``[L, H, R]``, ``P`` transposed.
        scale: float32 ``[L, 1]``, ``s^2``.
        centre: float32 ``[L]``, mean of the clean distances.
        spread: float32 ``[L]``, their standard deviation.
    """

    name: ClassVar[str] = "mahalanobis"
    means: NDArray[np.float32]
    directions: NDArray[np.float32]
    scale: NDArray[np.float32]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def fit(cls, clean: Passes) -> Self:
        """Fit in two passes: means and covariances, then the moments of the distances."""
        scatter: ClassScatter | None = None
        for batch in clean():
            if scatter is None:
                scatter = ClassScatter(batch.logits.shape[1], *batch.hidden.shape[1:])
            scatter.add(batch.hidden, batch.logits.argmax(axis=1))
        if scatter is None:
            raise ValueError("no clean samples to fit on")
        means = scatter.means()[scatter.counts > 0].transpose(1, 0, 2)
        eigenvalues, vectors = np.linalg.eigh(scatter.covariance())
        rank = min(RANK, eigenvalues.shape[1] - 1, int(scatter.counts.sum()) // 2)
        rest = eigenvalues[:, :-rank].mean(axis=1, keepdims=True)
        # Where a layer barely varies, the floor keeps its distances finite.
        rest = np.maximum(rest, 1e-6 * eigenvalues[:, -1:] + 1e-12)
        gain = np.maximum(1 / rest - 1 / np.maximum(eigenvalues[:, -rank:], rest), 0)
        layers = len(means)
        raw = cls(
            means=means.astype(np.float32),
            directions=(vectors[:, :, -rank:] * np.sqrt(gain)[:, None, :]).astype(np.float32),
            scale=(1 / rest).astype(np.float32),
            centre=np.zeros(layers, dtype=np.float32),
            spread=np.ones(layers, dtype=np.float32),
        )
        moments = RunningMoments((layers,))
        for batch in clean():
            moments.add(raw.distances(batch.hidden))
        return cls(
            raw.means,
            raw.directions,
            raw.scale,
            centre=moments.mean.astype(np.float32),
            spread=np.maximum(moments.std, 1e-6).astype(np.float32),
        )

    def distances(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance to the nearest class mean, float32 ``[n, L]`` of float32 ``[n, L, H]``."""
        offset = hidden[:, :, None, :] - self.means
        whole = (offset**2).sum(axis=3) * self.scale
        squared = (whole - ((offset @ self.directions) ** 2).sum(axis=3)).min(axis=2)
        distances: NDArray[np.float32] = np.sqrt(np.maximum(squared, np.float32(0)))
        return distances

    def score(self, samples: Representations) -> NDArray[np.float32]:
        """Mean over the layers of the standardised distances, float32 ``[n]``."""
        standard = (self.distances(samples.hidden) - self.centre) / self.spread
        score: NDArray[np.float32] = standard.mean(axis=1)
        return score

    def emit(self, tape: ir.tape.Tape, hidden: ir.Value, logits: ir.Value) -> ir.Value:
        """All layers in one batched MatMul: ``[b,L,1,H] - [L,C,H]``, then ``@ [L,H,R]``."""
        constant = {
            name: tape.initializer(ir.tensor(value), f"clampdown.mahalanobis.{name}")
            for name, value in {
                **self.tensors(),
                "class_axis": np.array([2]),
                "neuron_axis": np.array([3]),
                "layer_axis": np.array([1]),
                "zero": np.float32(0),
            }.items()
        }
        offset = tape.op(
            "Sub", [tape.op("Unsqueeze", [hidden, constant["class_axis"]]), constant["means"]]
        )
        along = {"keepdims": 0}
        whole = tape.op("ReduceSumSquare", [offset, constant["neuron_axis"]], along)
        principal = tape.op(
            "ReduceSumSquare",
            [tape.op("MatMul", [offset, constant["directions"]]), constant["neuron_axis"]],
            along,
        )
        squared = tape.op("Sub", [tape.op("Mul", [whole, constant["scale"]]), principal])
        nearest = tape.op("ReduceMin", [squared, constant["class_axis"]], along)
        distance = tape.op("Sqrt", [tape.op("Max", [nearest, constant["zero"]])])
        standard = tape.op(
            "Div", [tape.op("Sub", [distance, constant["centre"]]), constant["spread"]]
        )
        return tape.op("ReduceMean", [standard, constant["layer_axis"]], along)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return every attribute."""
        return {
            "means": self.means,
            "directions": self.directions,
            "scale": self.scale,
            "centre": self.centre,
            "spread": self.spread,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """Take every attribute."""
        return cls(**tensors)
