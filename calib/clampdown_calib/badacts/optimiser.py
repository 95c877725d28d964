"""The published intervals: as small as possible while the clean predictions stay.

The loss is BadActs' (Findings of ACL 2024, arXiv 2405.11227, section 3.2): over the clean rows that
the model gets right, ``MSE(logits clipped, logits unclipped) + c * ||exp(m)||_2`` with the interval
of a neuron ``[u - exp(m), u]`` and ``u``, ``m`` learnt by Adam.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier


@dataclass(frozen=True, slots=True)
class CleanBatch:
    """Clean rows that the model gets right, padded to one length.

    Attributes:
        inputs: int64 ``[n, T]`` by input name.
        logits: float32 ``[n, C]``, without clipping.
    """

    inputs: dict[str, torch.Tensor]
    logits: torch.Tensor


@dataclass(frozen=True, slots=True)
class Optimiser:
    """The published optimisation, its numbers as attributes.

    Attributes:
        learning_rate: of Adam.
        epochs: passes over the clean rows.
        penalty: ``c``, the weight of the widths.
        review_from: first epoch after which the penalty is reviewed, then every fifth.
        penalty_step: factor of the penalty at a review, up when ``keep`` holds, down when not.
        keep: share of the rows whose prediction has to survive for the penalty to grow.
        accept: share under which a run starts again with half the penalty.
        restarts: how often that is tried.
    """

    learning_rate: float = 0.01
    epochs: int = 50
    penalty: float = 0.1
    review_from: int = 15
    penalty_step: float = 1.2
    keep: float = 0.98
    accept: float = 0.97
    restarts: int = 3

    def fit(
        self,
        classifier: TorchClassifier,
        batches: Sequence[CleanBatch],
        start: Intervals,
        *,
        seed: int,
        report: Callable[[int, int], None],
    ) -> Intervals:
        """Shrink ``start`` on clean rows.

        Args:
            classifier: the model; its weights are not changed.
            batches: clean rows that it gets right.
            start: where the intervals begin.
            seed: of the order of the batches.
            report: called with the epochs done and their number.
        """
        penalty = self.penalty
        for _ in range(self.restarts + 1):
            intervals, kept = self._run(
                classifier, batches, start, penalty=penalty, seed=seed, report=report
            )
            if kept >= self.accept:
                break
            penalty /= 2
        return intervals

    def _run(
        self,
        classifier: TorchClassifier,
        batches: Sequence[CleanBatch],
        start: Intervals,
        *,
        penalty: float,
        seed: int,
        report: Callable[[int, int], None],
    ) -> tuple[Intervals, float]:
        order = np.random.default_rng(seed)
        upper = torch.tensor(start.upper, requires_grad=True)
        # A neuron that never moves on clean rows has no width to take the logarithm of.
        log_width = torch.tensor(np.log(np.maximum(start.widths, 1e-6)), requires_grad=True)
        adam = torch.optim.Adam([upper, log_width], lr=self.learning_rate)
        for epoch in range(1, self.epochs + 1):
            for index in order.permutation(len(batches)):
                batch = batches[index]
                width = log_width.exp()
                with classifier.clipping(upper - width, upper):
                    logits = classifier.logits(batch.inputs)
                distance = torch.nn.functional.mse_loss(logits, batch.logits)
                adam.zero_grad()
                (distance + penalty * width.norm()).backward()
                adam.step()
            if self.review_from <= epoch < self.epochs and (epoch - self.review_from) % 5 == 0:
                survived = kept_share(classifier, batches, _intervals(upper, log_width))
                penalty *= self.penalty_step if survived >= self.keep else 1 / self.penalty_step
            report(epoch, self.epochs)
        intervals = _intervals(upper, log_width)
        return intervals, kept_share(classifier, batches, intervals)


def published_start(layers: int, width: int) -> Intervals:
    """Where the published schedule starts: ``u = m = 1`` for every neuron of every layer."""
    one = np.ones((layers, width), np.float32)
    return Intervals(one - np.exp(one), one)


def kept_share(
    classifier: TorchClassifier, batches: Sequence[CleanBatch], intervals: Intervals
) -> float:
    """Share of the rows whose predicted class survives the clipping, 0 to 1."""
    lower, upper = torch.from_numpy(intervals.lower), torch.from_numpy(intervals.upper)
    kept = 0
    with torch.no_grad(), classifier.clipping(lower, upper):
        for batch in batches:
            same = classifier.logits(batch.inputs).argmax(1) == batch.logits.argmax(1)
            kept += int(same.sum())
    return kept / sum(len(batch.logits) for batch in batches)


def _intervals(upper: torch.Tensor, log_width: torch.Tensor) -> Intervals:
    top = upper.detach()
    return Intervals((top - log_width.detach().exp()).numpy().copy(), top.numpy().copy())
