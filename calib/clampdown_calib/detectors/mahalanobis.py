"""Class-conditional Mahalanobis distance in the principal subspace of every layer."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.interface import Detector, Emitted, Representations
from clampdown_calib.folds import folds
from clampdown_runtime.manifest import DetectorName

RANK = 16
"""Principal directions kept per layer: more of them fit the clean rows themselves, so that unseen
clean rows look abnormal, and cost file size, RANK * H floats a layer."""

NOISE = 1e-4
"""Share of a layer's magnitude under which its variation is float32 rounding, which differs between
kernels. A layer that is constant on clean rows would otherwise decide every score."""

LEAST_SPREAD = 0.1
"""Distances of H Gaussian neurons have a standard deviation of 0.7, those of real ones more."""


@dataclass(frozen=True, slots=True)
class MahalanobisDetector(Detector):
    """Distance to the nearest clean class mean, averaged over the layers.

    At every layer the distance is ``d(x)^2 = min_c (x - mu_c)^T Sigma^-1 (x - mu_c)`` (Lee et al.,
    NeurIPS 2018) with one covariance for all classes. Of Sigma the largest eigenvalues are kept
    and the others replaced by their mean, the maximum-likelihood model of probabilistic PCA
    (Tipping and Bishop, 1999); then ``d = s ||(x - mu) - P P^T (x - mu)||`` with
    ``s^2 = 1 / mean(other eigenvalues)`` and ``P = V diag(1 - 1 / (s eigenvalue^(1/2)))^(1/2)``.
    The residual is taken before the square: a difference of squares cancels in float32. The score
    is the mean over layers of ``(d - mean(d)) / std(d)``, the moments those of unseen clean rows.

    The class of a row is the one that the model predicts.

    Attributes:
        means: float32 ``[L, C', H]`` of the classes that the model predicted on clean rows.
        directions: float32 ``[L, H, R]``, ``P``.
        scale: float32 ``[L, 1]``, ``s^2``.
        centre: float32 ``[L]``, mean of the clean distances.
        spread: float32 ``[L]``, their standard deviation.
    """

    name: ClassVar[DetectorName] = "mahalanobis"
    means: NDArray[np.float32]
    directions: NDArray[np.float32]
    scale: NDArray[np.float32]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def fit(cls, clean: Representations) -> Self:
        """Fit means and covariances, then the moments of the distances.

        A row that took part in a fit is too near to it, the more so the fewer rows there are: the
        moments are those of rows under a fit without them.
        """
        classes = clean.logits.argmax(axis=1)
        raw = cls(**_model(clean.hidden, classes))
        distances = np.empty(clean.hidden.shape[:2])
        for out in folds(classes):
            without = cls(**_model(clean.hidden[~out], classes[~out]))
            distances[out] = without.distances(clean.hidden[out])
        return cls(
            raw.means,
            raw.directions,
            raw.scale,
            centre=distances.mean(axis=0).astype(np.float32),
            spread=np.maximum(distances.std(axis=0), LEAST_SPREAD).astype(np.float32),
        )

    def distances(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance to the nearest class mean, float32 ``[n, L]`` of float32 ``[n, L, H]``."""
        offset = hidden[:, :, None, :] - self.means
        residual = offset - (offset @ self.directions) @ self.directions.transpose(0, 2, 1)
        squared = (residual**2).sum(axis=3).min(axis=2)
        distances: NDArray[np.float32] = np.sqrt(squared * self.scale[:, 0])
        return distances

    def score(self, samples: Representations) -> NDArray[np.float32]:
        """Mean over the layers of the standardised distances, float32 ``[n]``."""
        standard = (self.distances(samples.hidden) - self.centre) / self.spread
        score: NDArray[np.float32] = standard.mean(axis=1)
        return score

    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """All layers in one batched MatMul: ``[b,L,1,H] - [L,C,H]``, then ``@ [L,H,R]``."""
        values: dict[str, NDArray[Any]] = {
            **self.tensors(),
            "scale": self.scale[:, 0],
            "class_axis": np.array([2]),
            "neuron_axis": np.array([3]),
            "layer_axis": np.array([1]),
        }
        constant = {
            name: tape.initializer(ir.tensor(value), f"clampdown.mahalanobis.{name}")
            for name, value in values.items()
        }
        directions = constant["directions"]
        offset = tape.op(
            "Sub", [tape.op("Unsqueeze", [seen.hidden, constant["class_axis"]]), constant["means"]]
        )
        across = tape.op("Transpose", [directions], {"perm": [0, 2, 1]})
        principal = tape.op("MatMul", [tape.op("MatMul", [offset, directions]), across])
        along = {"keepdims": 0}
        squared = tape.op(
            "ReduceSumSquare",
            [tape.op("Sub", [offset, principal]), constant["neuron_axis"]],
            along,
        )
        nearest = tape.op("ReduceMin", [squared, constant["class_axis"]], along)
        distance = tape.op("Sqrt", [tape.op("Mul", [nearest, constant["scale"]])])
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


def _model(
    hidden: NDArray[np.float32], predicted: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    """Means and the low-rank model of the covariance, with distances not standardised yet."""
    classes, index = np.unique(predicted, return_inverse=True)
    rows, layers, width = hidden.shape
    rank = min(RANK, width - 1, rows // 2)
    means = np.empty((layers, len(classes), width))
    directions = np.empty((layers, width, rank), dtype=np.float32)
    scale = np.empty((layers, 1), dtype=np.float32)
    for layer in range(layers):
        values = hidden[:, layer].astype(np.float64)
        means[layer] = [values[index == c].mean(axis=0) for c in range(len(classes))]
        within = values - means[layer, index]
        eigenvalues, vectors = np.linalg.eigh(within.T @ within / rows)
        largest, others = eigenvalues[width - rank :], eigenvalues[: width - rank]
        magnitude = np.square(means[layer]).mean()
        # Where a layer barely varies, the floors keep its distances finite and small.
        rest = max(others.mean(), 1e-8 * eigenvalues[-1], NOISE**2 * magnitude, 1e-12)
        kept = np.sqrt(1 - np.sqrt(rest / np.maximum(largest, rest)))
        directions[layer] = vectors[:, width - rank :] * kept
        scale[layer] = 1 / rest
    return {
        "means": means.astype(np.float32),
        "directions": directions,
        "scale": scale,
        "centre": np.zeros(layers, dtype=np.float32),
        "spread": np.ones(layers, dtype=np.float32),
    }
