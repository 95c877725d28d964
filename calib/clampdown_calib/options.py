"""What a user chooses of a fit, checked in one place."""

from dataclasses import dataclass
from typing import Literal, get_args

from clampdown_runtime.bundle.manifest import Precision, Representation
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.sessions.providers import Provider

Method = Literal["probe", "badacts"]
"""What is fitted: Clampdown's own defence, or the published one."""

Exporter = Literal["torch", "optimum"]
"""What traces a checkpoint to ONNX."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """The options of a fit.

    Attributes:
        method: ``probe`` holds the model's answer against what its earlier layers say; ``badacts``
            is the published method, whose intervals are optimised and need gradients.
        layers: the layers to defend, see :class:`TorchClassifier`; None for every block.
        representation: the token that the published detector reads; None for the architecture's
            own.
        frr: false rejection rate (of clean rows; the false positive rate), between 0 and 1.
        epochs: passes of the intervals' optimisation; None for the published 50.
        seed: of the published method's split in halves and order of batches; at least 0. Probes
            are fitted without it.
        precision: of the graph that is fitted on and deployed: ``fp32``, ``fp16`` or ``int8``;
            ``cuda-fp32`` and ``cuda-fp16`` have operators fused for CUDA, with probes alone.
        exporter: what traces a checkpoint.
        provider: what runs the clean rows through the graph; the calibration keeps no note of it.

    Raises:
        CalibrationError: an option is out of its range.
        ExportError: the exporter is not installed.
    """

    method: Method = "probe"
    layers: tuple[str, ...] | None = None
    representation: Representation | None = None
    frr: float = 0.1
    epochs: int | None = None
    seed: int = 0
    precision: Precision = "fp32"
    exporter: Exporter = "torch"
    provider: Provider = "cpu"

    def __post_init__(self) -> None:
        for name, value, kind in (
            ("method", self.method, Method),
            ("precision", self.precision, Precision),
            ("exporter", self.exporter, Exporter),
            ("provider", self.provider, Provider),
        ):
            if value not in get_args(kind):
                raise _wrong(f"The {name}", repr(value), f"one of {', '.join(get_args(kind))}")
        if not 0 < self.frr < 1:
            expected = "a share between 0 and 1, such as 0.1"
            raise _wrong("The false rejection rate", f"{self.frr:g}", expected)
        if self.epochs is not None and self.epochs < 1:
            raise _wrong("The epochs", str(self.epochs), "at least 1")
        if self.epochs is not None and self.method == "probe":
            expected = "none: probes are fitted in closed form"
            raise _wrong("The epochs", str(self.epochs), expected)
        if self.method == "badacts" and self.precision.startswith("cuda-"):
            expected = "fp32, fp16 or int8 for badacts, whose clips belong between the operators"
            raise _wrong("The precision", self.precision, expected)
        if self.seed < 0:
            raise _wrong("The seed", str(self.seed), "at least 0")
        if self.exporter == "optimum":
            from clampdown_calib.graphs.tracing.optimum_trace import (  # noqa: PLC0415 - imports onnx
                require_optimum,
            )

            require_optimum()


def _wrong(thing: str, found: str, expected: str) -> CalibrationError:
    return CalibrationError(thing, found=found, expected=expected, hint="Correct the option.")
