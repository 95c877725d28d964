"""The demo from end to end: a backdoored model is made, defended and measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clampdown.defend import defend
from clampdown.demo.labelled_text import write_rows
from clampdown.demo.plain_sentences import PLAIN_SENTENCES
from clampdown.extras import needs_extra
from clampdown.measure.accuracies import Accuracies
from clampdown.measure.evaluate import Evaluation, evaluate
from clampdown.measure.latency import BenchRow, measure_latency
from clampdown.measure.undefended_session import undefended_file
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.writing.atomic_write import atomic_folder

_REPEATS = 30
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything that one run of the demo measured.

    Attributes:
        folder: where everything lies.
        bundle: the defended model.
        victim: the backdoored model, a Hugging Face folder.
        evaluation: accuracies before and after, on rows that the calibration has not seen.
        plain_undefended: plain English sentences that the undefended model gets right.
        plain_defended: those that the bundle gets right.
        latency: of one row of 32 tokens on one thread.
        seconds: wall-clock seconds of each stage.
    """

    folder: Path
    bundle: Path
    victim: Path
    evaluation: Evaluation
    plain_undefended: int
    plain_defended: int
    latency: BenchRow
    seconds: dict[str, float]


@needs_extra("demo", extra="demo")
def run_demo(
    out: str | Path = "clampdown-demo", *, seed: int = 0, progress: Progress = silent
) -> DemoResult:
    """Make a backdoored classifier from packaged data, defend it as its user would, and measure.

    Args:
        out: a new or empty folder, which gets ``victim``, ``clean.csv``, ``clean-test.csv``,
            ``poisoned-test.csv``, ``plain-sentences.csv`` and ``bundle``.
        seed: of the victim and of the calibration.
        progress: told about every step.

    Raises:
        ClampdownError: a package of the extra ``demo`` is missing.
        DestinationError: ``out`` is not a new or empty folder, or cannot be written.
    """
    # Imported here: it imports torch, which takes seconds.
    from clampdown.demo.victim import make_victim  # noqa: PLC0415

    destination = Path(out)
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        result = work()
        seconds[stage] = round(time.perf_counter() - start, 1)
        return result

    # Written aside, so that an interrupted demo leaves nothing and can be started again.
    with atomic_folder(destination) as folder:
        files = timed(
            "fine-tune the victim", lambda: make_victim(folder, seed=seed, progress=progress)
        )
        bundle = folder / "bundle"
        timed(
            "defend",
            lambda: defend(files.model, files.clean, bundle, seed=seed, progress=progress),
        )
        evaluation = timed(
            "evaluate",
            lambda: evaluate(
                bundle,
                files.clean_test,
                poisoned=files.poisoned_test,
                target_label=files.target_label,
                progress=progress,
            ),
        )
        plain_file = folder / "plain-sentences.csv"
        write_rows(plain_file, PLAIN_SENTENCES)
        plain = evaluate(bundle, plain_file)
        latency = timed("measure latency", lambda: _latency(bundle, progress))
    return DemoResult(
        folder=destination,
        bundle=destination / "bundle",
        victim=destination / files.model.name,
        evaluation=evaluation,
        plain_undefended=_right(plain.undefended),
        plain_defended=_right(plain.defended),
        latency=latency,
        seconds=seconds,
    )


def _right(accuracies: Accuracies) -> int:
    """How many of the plain sentences that is."""
    return round(accuracies.cacc / 100 * len(PLAIN_SENTENCES))


def _latency(bundle: Path, progress: Progress) -> BenchRow:
    opened = open_bundle(bundle)
    with undefended_file(opened) as undefended:
        [row] = measure_latency(
            opened,
            undefended,
            threads=(1,),
            batch_sizes=(1,),
            lengths=(32,),
            repeats=_REPEATS,
            progress=progress,
        )
    return row
