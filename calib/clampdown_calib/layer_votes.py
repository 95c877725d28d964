"""The label that the earlier layers vote for, before the last ones decide otherwise."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.discriminants import cross_fitted, discriminants
from clampdown_calib.margins import FAR, emit_prediction, lead_spread, prediction

SHARPNESS = 1 / 0.3
"""Times the scale of the model's own logits: a layer's vote goes to few classes, so that one which
a trigger has persuaded has next to no say about the other classes."""


def voting_layers(count: int) -> slice:
    """Of ``count`` layers those that vote: all but the last third, and never the last alone."""
    return slice(0, max(count - max(count // 3, 1), 1))


def words_vote(classes: int) -> bool:
    """Whether a prediction that is left out leaves more than one class to choose from."""
    return classes > 2


@dataclass(frozen=True, slots=True)
class Words:
    """What single words say at every layer that votes, sharpened as the rows' discriminants.

    Attributes:
        weights: float32 ``[J, H, C]``.
        bias: float32 ``[J, C]``.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LayerVotes:
    """A linear opinion pool (Stone 1961) of the earlier layers.

    Every layer distributes one vote, the softmax of its sharpened :func:`discriminants` of the
    token means; the logits are the logarithm of the mean vote, scaled so that the lead of the
    predicted class has the standard deviation that it has in the model's own logits on clean rows.
    A mean of the layers' logits would let a layer that a trigger has persuaded outvote the others
    in everything; here it can only give its own vote away.

    Of more than two classes these votes say how probable it is that the predicted class is wrong,
    and another pool which one is right instead: that of the words, see
    :mod:`clampdown_calib.words`. A few hundred rows say less of the classes than their thousands of
    words. But the model itself labels the words, and they would vouch for what it learnt of a
    trigger, so that they are not asked about its own prediction.

    Attributes:
        weights: float32 ``[J, H, C]`` of the J layers that vote.
        bias: float32 ``[J, C]``.
        scale: float32 ``[1]``, of the logarithm.
        words: what the words say; None of two classes.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: NDArray[np.float32]
    words: Words | None

    @classmethod
    def fit(
        cls,
        pooled: NDArray[np.float32],
        logits: NDArray[np.float32],
        classes: NDArray[np.int64],
        words: NDArray[np.float32] | None,
    ) -> Self:
        """Fit on clean rows.

        Args:
            pooled: float32 ``[n, L, H]``, the token means of every layer.
            logits: float32 ``[n, C]``, the model's.
            classes: int64 ``[n]``, of the rows.
            words: float32 ``[J, H, C]``, what the words say, of any scale; None of two classes.
        """
        values = pooled[:, voting_layers(pooled.shape[1])].astype(np.float64)
        predicted, count = logits.argmax(axis=1), logits.shape[1]
        wanted = lead_spread(logits, predicted)
        unseen = cross_fitted(values, classes, count)
        sharp = SHARPNESS * wanted / lead_spread(unseen.mean(axis=1), predicted)
        scale = wanted / lead_spread(_log_votes(unseen * sharp), predicted)
        weights, bias = discriminants(values, classes, count)
        return cls(
            (weights * sharp).astype(np.float32),
            (bias * sharp).astype(np.float32),
            np.array([scale], np.float32),
            None if words is None else _scaled(words, values, classes, predicted, wanted),
        )

    def logits(self, pooled: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of the votes.

        Args:
            pooled: float32 ``[n, L, H]``, the token means of every layer.
            own: float32 ``[n, C]``, the model's logits.

        Returns:
            float32 ``[n, C]``.
        """
        voting = pooled[:, voting_layers(pooled.shape[1])]

        def pool(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> NDArray[np.float32]:
            opinions = np.einsum("njh,jhc->njc", voting, weights) + bias
            logits: NDArray[np.float32] = self.scale * _log_votes(opinions)
            return logits

        votes = pool(self.weights, self.bias)
        if self.words is None:
            return votes
        shares = pool(self.words.weights, self.words.bias)
        chosen = prediction(own)
        others = _log_total(votes, chosen) - _log_total(shares, chosen)
        result: NDArray[np.float32] = np.where(chosen, votes, shares + others)
        return result

    def emit(self, tape: ir.tape.Tape, pooled: ir.Value, own: ir.Value, layers: int) -> ir.Value:
        """The nodes of :meth:`logits`, of float32 ``[batch, layers, H]`` and ``[batch, C]``."""
        voting = voting_layers(layers)
        constants = {
            "start": np.array([voting.start]),
            "end": np.array([voting.stop]),
            "layer_axis": np.array([1]),
            "row_axis": np.array([2]),
            "pooled_axes": np.array([1, 2]),
            "scale": self.scale,
        }
        named = {
            name: tape.initializer(ir.tensor(value), f"clampdown.votes.{name}")
            for name, value in constants.items()
        }
        chosen = tape.op("Slice", [pooled, named["start"], named["end"], named["layer_axis"]])
        rows = tape.op("Unsqueeze", [chosen, named["row_axis"]])

        def pool(weights: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> ir.Value:
            by = tape.initializer(ir.tensor(weights), f"clampdown.votes.{name}weights")
            plus = tape.initializer(ir.tensor(bias[:, None]), f"clampdown.votes.{name}bias")
            opinions = tape.op("Add", [tape.op("MatMul", [rows, by]), plus])
            logs = tape.op("LogSoftmax", [opinions], {"axis": -1})
            total = tape.op("ReduceLogSumExp", [logs, named["pooled_axes"]], {"keepdims": 0})
            return tape.op("Mul", [total, named["scale"]])

        votes = pool(self.weights, self.bias, "")
        if self.words is None:
            return votes
        shares = pool(self.words.weights, self.words.bias, "word_")
        predicted = emit_prediction(tape, own, "clampdown.votes")
        far = tape.initializer(ir.tensor(np.float32(FAR)), "clampdown.votes.far")
        axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.votes.others_axis")
        away = tape.op("Mul", [predicted, far])

        def total(logits: ir.Value) -> ir.Value:
            others = tape.op("Sub", [logits, away])
            return tape.op("ReduceLogSumExp", [others, axis], {"keepdims": 1})

        others = tape.op("Sub", [total(votes), total(shares)])
        is_predicted = tape.op("Cast", [predicted], {"to": ir.DataType.BOOL})
        return tape.op("Where", [is_predicted, votes, tape.op("Add", [shares, others])])

    @classmethod
    def shapes(cls, layers: int, width: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Of the tensors, by their names, of a model of L layers, H neurons and C classes."""
        voting = voting_layers(layers).stop
        rows = {"weights": (voting, width, classes), "bias": (voting, classes), "scale": (1,)}
        if not words_vote(classes):
            return rows
        return {**rows, "word_weights": rows["weights"], "word_bias": rows["bias"]}

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """Take every attribute of those that :meth:`tensors` returns."""
        words = None
        if "word_weights" in tensors:
            words = Words(tensors["word_weights"], tensors["word_bias"])
        return cls(tensors["weights"], tensors["bias"], tensors["scale"], words)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return every attribute; those of the words begin with ``word_``."""
        rows = {"weights": self.weights, "bias": self.bias, "scale": self.scale}
        if self.words is None:
            return rows
        return {**rows, "word_weights": self.words.weights, "word_bias": self.words.bias}


def _log_votes(opinions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logarithm of the summed votes, ``[n, C]`` of ``[n, J, C]``."""
    logs = opinions - np.logaddexp.reduce(opinions, axis=2, keepdims=True)
    total: NDArray[np.floating] = np.logaddexp.reduce(logs, axis=1)
    return total


def _scaled(
    words: NDArray[np.float32],
    values: NDArray[np.float64],
    classes: NDArray[np.int64],
    predicted: NDArray[np.int64],
    wanted: float,
) -> Words:
    """As sharp as the rows' discriminants, and without a preference among the classes' rows."""
    said = np.einsum("njh,jhc->njc", values, words)
    centre = np.mean([said[classes == c].mean(axis=0) for c in np.unique(classes)], axis=0)
    sharp = SHARPNESS * wanted / lead_spread((said - centre).mean(axis=1), predicted)
    return Words((words * sharp).astype(np.float32), (-centre * sharp).astype(np.float32))


def _log_total(logits: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Logarithm of what the classes that are not chosen have together, float32 ``[n, 1]``."""
    others = logits - chosen * np.float32(FAR)
    total: NDArray[np.float32] = np.logaddexp.reduce(others, axis=1, keepdims=True)
    return total
