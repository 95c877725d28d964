"""What the defence costs beside the undefended model: latency, throughput, memory, file size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clampdown.measure.latency import BenchRow, measure_latency
from clampdown.measure.memory import Memory, measure_memory
from clampdown.measure.undefended_session import undefended_file
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.bundle.manifest import weights_name
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.sessions.providers import Provider


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The cost of a bundle's defence.

    Attributes:
        rows: latency and throughput, one row for each setting.
        frr: the share of clean rows flagged that ``clean_ratio`` counts with, 0 to 1.
        memory: resident memory; None where the system does not tell it.
        memory_ratio: defended over undefended; None as above.
        undefended_file_bytes: the size of the undefended ONNX file.
        defended_file_bytes: the size of the bundle's ONNX file.
        file_ratio: defended over undefended.
    """

    rows: tuple[BenchRow, ...]
    frr: float
    memory: Memory | None
    memory_ratio: float | None
    undefended_file_bytes: int
    defended_file_bytes: int
    file_ratio: float


def bench(
    bundle: str | Path,
    *,
    provider: Provider = "cpu",
    threads: Sequence[int] = (1, 2),
    batch_sizes: Sequence[int] = (1, 8),
    lengths: Sequence[int] | None = None,
    repeats: int = 10,
    expected_digest: str | None = None,
    progress: Progress = silent,
) -> Benchmark:
    """Measure a bundle against its undefended model in the same run.

    Args:
        bundle: the bundle's folder.
        provider: where both run.
        threads: the numbers of threads to measure with.
        batch_sizes: the numbers of rows in one run.
        lengths: tokens in each row; 32 and 128 when None, or the bundle's ``max_length`` where
            that is less.
        repeats: how many rounds each ratio is the median of.
        expected_digest: of the bundle's manifest, see :func:`clampdown_runtime.open_bundle`.
        progress: told about every setting.

    Raises:
        BundleError: the bundle is damaged, incomplete or changed.
        ClampdownError: a number is below 1, a length is over the bundle's ``max_length``, or a
            package of the extra ``export`` is missing.
        ProviderError: ONNX Runtime or the provider is not usable.
    """
    opened = open_bundle(bundle, expected_digest=expected_digest)
    with undefended_file(opened) as undefended:
        rows = measure_latency(
            opened,
            undefended,
            provider=provider,
            threads=threads,
            batch_sizes=batch_sizes,
            lengths=lengths,
            repeats=repeats,
            progress=progress,
        )
        progress("Memory", 0, 1)
        memory = measure_memory(opened, undefended, provider=provider)
        progress("Memory", 1, 1)
        before, after = _graph_bytes(undefended), _graph_bytes(opened.model_path)
    return Benchmark(
        rows=tuple(rows),
        frr=opened.manifest.frr_measured,
        memory=memory,
        memory_ratio=memory.ratio if memory else None,
        undefended_file_bytes=before,
        defended_file_bytes=after,
        file_ratio=after / before,
    )


def _graph_bytes(path: Path) -> int:
    """Of a graph's file, and of that of its weights where there is one beside it."""
    weights = path.with_name(weights_name(path.name))
    return path.stat().st_size + (weights.stat().st_size if weights.exists() else 0)
