"""Turns a classifier that may carry a backdoor into one ONNX file that defends itself."""

from clampdown.adapt import Adaptation, adapt
from clampdown.defend import defend
from clampdown.demo.run_demo import DemoResult, run_demo
from clampdown.doctor import Diagnosis, doctor
from clampdown.inspect_bundle import BundleFacts, inspect_bundle
from clampdown.measure.accuracies import Accuracies, LabelAccuracies
from clampdown.measure.bench import Benchmark, bench
from clampdown.measure.evaluate import Evaluation, evaluate
from clampdown.measure.latency import BenchRow, measure_latency
from clampdown.signing import check_signature, sign

__all__ = [
    "Accuracies",
    "Adaptation",
    "BenchRow",
    "Benchmark",
    "BundleFacts",
    "DemoResult",
    "Diagnosis",
    "Evaluation",
    "LabelAccuracies",
    "adapt",
    "bench",
    "check_signature",
    "defend",
    "doctor",
    "evaluate",
    "inspect_bundle",
    "measure_latency",
    "run_demo",
    "sign",
]

__version__: str


def __getattr__(name: str) -> str:
    # Read on demand: most programs never ask for it, and reading it takes longer than this module.
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("clampdown")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
