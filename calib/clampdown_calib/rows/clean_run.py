"""What one run of clean rows holds: logits, representation tokens and token means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.models.activations import Activations, ActivationSource
from clampdown_calib.rows.clean_rows import EncodedRows
from clampdown_runtime.bundle.manifest import Representation
from clampdown_runtime.errors import CalibrationError


@dataclass(frozen=True, slots=True)
class CleanRun:
    """Clean rows' run, in their order.

    Attributes:
        hidden: float32 ``[n, L, H]``, the representation token.
        pooled: float32 ``[n, L, H]``, the token means.
        logits: float32 ``[n, C]``.
        labels: int64 ``[n]``, of a model of many labels ``[n, C]``; None where no row has one.
    """

    hidden: NDArray[np.float32]
    pooled: NDArray[np.float32]
    logits: NDArray[np.float32]
    labels: NDArray[np.int64] | None

    @classmethod
    def of_batch(
        cls, run: Activations, mask: NDArray[np.int64], representation: Representation
    ) -> Self:
        """One batch's, of int64 ``[n, T]`` masks, without labels."""
        return cls(
            token_states(run, mask, representation), token_means(run, mask), run.logits, None
        )

    @property
    def classes(self) -> NDArray[np.int64]:
        """The labels; without them the model's predictions, int64 ``[n]``."""
        return self.logits.argmax(axis=1) if self.labels is None else self.labels


def run_clean_rows(source: ActivationSource, rows: EncodedRows) -> CleanRun:
    """Run all rows.

    Raises:
        CalibrationError: an activation or logit is not finite.
    """
    order: list[int] = []
    runs: list[CleanRun] = []
    for numbers, inputs in rows.batches():
        activations = source.activations(inputs)
        run = CleanRun.of_batch(activations, inputs["attention_mask"], source.representation)
        require_finite(run.hidden, source.layer_names)
        require_finite(run.pooled, source.layer_names)
        require_finite(run.logits[:, None], ("logits",))
        order += numbers
        runs.append(run)
    place = np.argsort(order)
    return CleanRun(
        np.concatenate([run.hidden for run in runs])[place],
        np.concatenate([run.pooled for run in runs])[place],
        np.concatenate([run.logits for run in runs])[place],
        rows.labels,
    )


def token_states(
    run: Activations, mask: NDArray[np.int64], representation: Representation
) -> NDArray[np.float32]:
    """The representation token at every layer, float32 ``[n, L, H]``."""
    token = token_positions(mask, representation)
    return np.stack([layer[np.arange(len(token)), token] for layer in run.hidden], axis=1)


def token_means(run: Activations, mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean of the tokens that are not padding at every layer, float32 ``[n, L, H]``."""
    real = mask.astype(np.float32)[:, None]
    sums = np.concatenate([real @ layer for layer in run.hidden], axis=1)
    means: NDArray[np.float32] = sums / real.sum(axis=2, keepdims=True)
    return means


def require_finite(values: NDArray[np.float32], names: Sequence[str]) -> None:
    """Refuse values ``[n, L, H]`` of the L things named, of which no statistic can be taken."""
    finite = np.isfinite(values).all(axis=(0, 2))
    if not finite.all():
        raise CalibrationError(
            f"The output of {names[int(finite.argmin())]} on clean rows",
            found="NaN or infinite values",
            expected="finite ones",
            hint="Check the model: it may have been saved or trained in too low a precision.",
        )


def token_positions(mask: NDArray[np.int64], representation: Representation) -> NDArray[np.int64]:
    """Where each row's representation token stands, int64 ``[n]`` of an int64 ``[n, T]`` mask."""
    if representation == "first":
        return np.zeros(len(mask), dtype=np.int64)
    last: NDArray[np.int64] = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    return last
