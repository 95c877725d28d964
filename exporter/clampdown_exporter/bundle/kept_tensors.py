"""What a bundle keeps of its calibration, checked against its manifest and its graph."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import Detector, ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.options import Method
from clampdown_calib.problems import ANSWERS, EXCESS
from clampdown_calib.stored_tensors import fitted_shapes
from clampdown_calib.tensor_file import read_tensors
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE, Manifest, ProblemType
from clampdown_runtime.errors import BundleError

Tensors = dict[str, NDArray[Any]]

DETECTORS: dict[Method, type[Detector]] = {"probe": ExcessDetector, "badacts": NasDetector}


@dataclass(frozen=True, slots=True)
class Kept:
    """The contents of a bundle's ``calibration.safetensors``.

    Attributes:
        method: that fitted them.
        tensors: by the names of docs/calibration.md.
        problem_type: of the model.
    """

    method: Method
    tensors: Tensors
    problem_type: ProblemType

    @property
    def detector(self) -> Detector:
        """That of the graph."""
        start = "detector."
        given = {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}
        kind = EXCESS[self.problem_type] if self.method == "probe" else DETECTORS[self.method]
        return kind.from_tensors(given)

    @property
    def purifier(self) -> Answer | Intervals:
        """What answers a flagged row of the graph."""
        if self.method == "probe":
            answer = ANSWERS[self.problem_type]
            return answer(self.tensors["answer.log_odds"], self.tensors["answer.sharpness"])
        return Intervals(self.tensors["lower"], self.tensors["upper"])


def kept_tensors(bundle: Bundle) -> Kept:
    """Read them.

    Raises:
        BundleError: a name, type or shape is not as docs/calibration.md says for the manifest.
    """
    try:
        tensors, metadata = read_tensors(bundle.read(CALIBRATION_FILE))
        method = next((m for m in get_args(Method) if m == metadata.get("method")), None)
        if method is None or DETECTORS[method].name != bundle.manifest.detector:
            raise ValueError(f"the method {metadata.get('method')!r}")
        found = {name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()}
        wanted = _wanted(method, bundle.manifest, tensors)
        odd = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        if odd:
            raise ValueError(f"{odd[0]} as {found.get(odd[0])}, not {wanted.get(odd[0])}")
    except ValueError as error:
        raise BundleError(
            str(bundle.calibration_path),
            found=str(error),
            expected=f"what an export keeps there with the detector {bundle.manifest.detector}",
            hint="Export the bundle again.",
        ) from error
    return Kept(method, tensors, bundle.manifest.problem_type)


def _wanted(
    method: Method, manifest: Manifest, tensors: Tensors
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The type and shape of every tensor; numbers of rows are the tensors' own, at least one."""
    fit, held_out = (_rows(tensors, name) for name in ("fit_scores", "held_out_scores"))
    rows = {
        "clean.fit_scores": ("float32", (fit,)),
        "clean.held_out_scores": ("float32", (held_out,)),
    }
    answers = (held_out, len(manifest.labels)) if manifest.multi_label else (held_out,)
    names = ["changed"]
    correct = ["correct_undefended", "correct_purified"]
    if any(f"clean.{name}" in tensors for name in correct):
        names += correct
    shapes = fitted_shapes(method, len(manifest.layers), len(manifest.labels), tensors)
    return {
        **rows,
        **{f"clean.{name}": ("uint8", answers) for name in names},
        **{f"latency.{name}": ("float32", (1,)) for name in ("unflagged", "flagged")},
        **{name: ("float32", shape) for name, shape in shapes.items()},
    }


def _rows(tensors: Tensors, name: str) -> int:
    scores = tensors.get(f"clean.{name}", np.empty(0))
    return max(1, len(scores)) if scores.ndim == 1 else 1
