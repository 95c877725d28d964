"""The tensors of a calibration by their names in the file, specified in docs/calibration.md."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.calibration import Calibration, CalibrationFacts, Reading
from clampdown_calib.evidence.probes import probed_layers
from clampdown_calib.options import Method
from clampdown_calib.problems import ANSWERS, EXCESS
from clampdown_calib.rows.clean_rows import CleanRow

Tensors = dict[str, NDArray[np.float32]]
CLIPPED = "clipped."


def tensors_of(calibration: Calibration) -> Tensors:
    """Every tensor of a calibration, float32."""
    tensors = {
        **calibration.fitted_tensors("detect-then-purify"),
        "clean.undefended_logits": calibration.undefended_logits,
        "clean.purified_logits": calibration.purified_logits,
        **_scores(calibration.plain),
    }
    if calibration.clipped is not None:
        detector = calibration.clipped.detector.tensors()
        tensors |= {f"{CLIPPED}detector.{name}": tensor for name, tensor in detector.items()}
        tensors |= {f"{CLIPPED}{k}": v for k, v in _scores(calibration.clipped).items()}
    return tensors


def _scores(reading: Reading) -> Tensors:
    return {
        "clean.fit_scores": reading.fit_scores,
        "clean.held_out_scores": reading.held_out_scores,
    }


def calibration_of(
    facts: CalibrationFacts, tensors: dict[str, NDArray[Any]], rows: tuple[CleanRow, ...]
) -> Calibration:
    """The calibration whose :func:`tensors_of` these are.

    Raises:
        ValueError: the tensors are not those of the facts; the message says what was found.
    """
    found = {name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()}
    wanted = {name: ("float32", shape) for name, shape in _shapes(facts, tensors).items()}
    odd = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if odd:
        name = odd[0]
        raise ValueError(f"{name} is {found.get(name)} and not {wanted.get(name)}")
    answer, intervals, clipped = None, None, None
    if facts.method == "probe":
        answer = ANSWERS[facts.problem_type](
            tensors["answer.log_odds"], tensors["answer.sharpness"]
        )
    else:
        clipped = _reading(facts, tensors, CLIPPED)
        intervals = Intervals(tensors["lower"], tensors["upper"])
        if not (intervals.widths >= 0).all():
            raise ValueError("lower and upper bounds that are not in order")
    return Calibration(
        facts,
        _reading(facts, tensors, ""),
        clipped,
        answer,
        intervals,
        tensors["clean.undefended_logits"],
        tensors["clean.purified_logits"],
        rows,
    )


def _reading(facts: CalibrationFacts, tensors: Tensors, prefix: str) -> Reading:
    start = f"{prefix}detector."
    given = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    kind = EXCESS[facts.problem_type] if facts.method == "probe" else NasDetector
    return Reading(
        kind.from_tensors(given),
        tensors[f"{prefix}clean.fit_scores"],
        tensors[f"{prefix}clean.held_out_scores"],
    )


def fitted_shapes(
    method: Method, layers: int, classes: int, tensors: Mapping[str, NDArray[Any]]
) -> dict[str, tuple[int, ...]]:
    """The shapes of what is in a graph; only the layers' width is taken from the tensors."""
    if method == "probe":
        probed = probed_layers(layers)
        weights = tensors.get("detector.weights")
        width = weights.shape[1] if weights is not None and weights.ndim == 3 else 0
        return {
            "detector.weights": (probed, width, classes),
            "detector.bias": (probed, classes),
            **dict.fromkeys(("detector.slope", "detector.centre", "detector.spread"), (probed,)),
            **dict.fromkeys(("answer.log_odds", "answer.sharpness"), (1,)),
        }
    mean = tensors.get("detector.mean")
    width = mean.shape[1] if mean is not None and mean.ndim == 2 else 0
    return dict.fromkeys(("detector.mean", "detector.reach", "lower", "upper"), (layers, width))


def _shapes(
    facts: CalibrationFacts, tensors: dict[str, NDArray[Any]]
) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor; only the layers' width is taken from the tensors themselves."""
    layers, classes = len(facts.layers), len(facts.labels)
    scores: dict[str, tuple[int, ...]] = {
        "clean.fit_scores": (facts.fit_rows,),
        "clean.held_out_scores": (facts.held_out_rows,),
    }
    logits = ("clean.undefended_logits", "clean.purified_logits")
    fitted = fitted_shapes(facts.method, layers, classes, tensors)
    shapes = {**scores, **dict.fromkeys(logits, (facts.held_out_rows, classes)), **fitted}
    if facts.method == "badacts":
        again = {k: v for k, v in {**scores, **fitted}.items() if k not in ("lower", "upper")}
        shapes |= {f"{CLIPPED}{name}": shape for name, shape in again.items()}
    return shapes
