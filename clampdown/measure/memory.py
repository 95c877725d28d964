"""The resident memory of a model, measured in a fresh process of its own."""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clampdown.measure.synthetic_rows import random_rows
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.errors import ProviderError
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.sessions.session import THRESHOLD
from clampdown_runtime.tokenizer import pad_batch
from clampdown_runtime.writing.working_folder import scratch_folder

_BATCH, _LONGEST = 8, 128
_PROCESSES = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """How much each model adds to the resident memory of a process.

    It is the growth of ``VmRSS`` in ``/proc/self/status`` from after the import of ONNX Runtime to
    after a few runs of 8 rows of 128 tokens (or the bundle's ``max_length``), every row flagged:
    the median of three fresh processes. Memory of a GPU is not in it.

    Attributes:
        undefended_bytes: of the undefended model.
        defended_bytes: of the defended one.
    """

    undefended_bytes: int
    defended_bytes: int

    @property
    def ratio(self) -> float:
        """Defended over undefended."""
        return self.defended_bytes / self.undefended_bytes


def measure_memory(
    bundle: Bundle, undefended: Path, *, provider: Provider = "cpu"
) -> Memory | None:
    """Measure both models in fresh processes, in turn.

    Args:
        bundle: a verified bundle.
        undefended: the ONNX file of its undefended model.
        provider: where both run.

    Returns:
        The memory of both, or None on a system without ``/proc/self/status``.

    Raises:
        ProviderError: a process failed.
    """
    if not Path("/proc/self/status").exists():
        return None
    length = min(_LONGEST, bundle.manifest.max_length)
    rows = random_rows(bundle, count=_BATCH, length=length)
    feed: dict[str, Any] = {**pad_batch(rows, bundle.manifest.padding, bundle.manifest.inputs)}
    flagging = {**feed, THRESHOLD: np.array([-np.inf], np.float32)}
    with scratch_folder() as folder:
        feeds = folder / "undefended.npz", folder / "defended.npz"
        np.savez(feeds[0], **feed)
        np.savez(feeds[1], **flagging)
        grown = [
            (
                _growth(undefended, feeds[0], provider),
                _growth(bundle.model_path, feeds[1], provider),
            )
            for _ in range(_PROCESSES)
        ]
    return Memory(*(int(statistics.median(model)) for model in zip(*grown, strict=True)))


def _growth(model: Path, feed: Path, provider: Provider) -> int:
    process = subprocess.run(  # noqa: S603 - this interpreter and this package
        [sys.executable, "-m", "clampdown.measure.memory_probe", str(model), str(feed), provider],
        # The child finds the packages where this process found them.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise ProviderError(
            f"the memory of {model}",
            found=f"a process that failed ({process.stderr.strip()[-500:]})",
            expected="a process that loads the model and runs it",
            hint="Check that enough memory is free, and run clampdown verify on the bundle.",
        )
    return int(process.stdout)
