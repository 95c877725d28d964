"""Scores all fragments that are not finished, in this process or on Ray."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from clampdown.extras import needs_extra
from clampdown.score.fragments import Fragment, find_fragments
from clampdown.score.options import ScoreOptions
from clampdown.score.places.place import AT_ONCE, Place, is_within
from clampdown.score.record import claim
from clampdown.score.score_fragment import is_finished, score_fragment
from clampdown.score.summary import Summary, summarise
from clampdown.score.work import Work
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import DestinationError
from clampdown_runtime.progress import Progress, silent

Engine = Literal["process", "ray"]
"""What does the work: this process alone, or Ray's actors."""

_STAGE = "Scoring"


def score(
    bundle: Path,
    pattern: str,
    out: Place,
    options: ScoreOptions,
    *,
    engine: Engine = "process",
    threads: int | None = None,
    workers: int | None = None,
    batch_size: int = 32,
    expected_digest: str | None = None,
    progress: Progress = silent,
) -> Summary:
    """Scores Parquet files into a folder; fragments that are finished there are left as they are.

    Args:
        bundle: its folder; with Ray, every machine has to see it there, and the input and the
            output unless they are in an object store.
        pattern: of the input, see :func:`find_fragments`.
        out: a new or empty folder, or that of an earlier run with the same bundle and options.
        options: what decides about the results.
        engine: what does the work.
        threads: of one operator; with Ray also the CPUs of an actor, by default 1.
        workers: with Ray how many actors there are; as many as fit when None.
        batch_size: the most rows in one run of the model; results do not depend on it.
        expected_digest: see :meth:`DefendedClassifier.load`.
        progress: called with rows that are done and all of them.

    Returns:
        What is in the results of all fragments, earlier ones included.

    Raises:
        BundleError: the bundle is damaged, changed or another one.
        RowsError: the input or its columns cannot be used.
        DestinationError: the output folder belongs to another run, or cannot be written to.
        ClampdownError: an object store cannot be read.
        ProviderError: the provider is not usable, or the model failed.
    """
    opened = open_bundle(bundle, expected_digest=expected_digest)
    fragments = find_fragments(pattern, options, opened.manifest)
    if inside := [one for one in fragments if is_within(one.source, out)]:
        raise DestinationError(
            f"The output folder {out}",
            found=f"a file of the input in it, {inside[0].source.name}",
            expected="a folder apart from the input",
            hint="Choose another folder.",
        )
    claim(out, opened.digest, options)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        finished = pool.map(lambda fragment: is_finished(fragment, out), fragments)
        left = [one for one, done in zip(fragments, finished, strict=True) if not done]
    total = sum(fragment.rows for fragment in fragments)
    done = total - sum(fragment.rows for fragment in left)
    progress(_STAGE, done, total)
    if left:
        work = _engine(engine, threads, workers, batch_size)
        for rows in work(bundle, opened.digest, left, options, out):
            done += rows
            progress(_STAGE, done, total)
    return summarise((out / fragment.output for fragment in fragments), opened, options.threshold)


def _engine(engine: Engine, threads: int | None, workers: int | None, batch_size: int) -> Work:
    if engine == "ray":
        with needs_extra("--engine ray", "ray"):
            from clampdown.score.on_ray import on_ray  # noqa: PLC0415 - an extra of its own
        return on_ray(threads or 1, workers, batch_size)
    return _in_process(threads, batch_size)


def _in_process(threads: int | None, batch_size: int) -> Work:
    def work(
        bundle: Path,
        digest: str,
        fragments: Sequence[Fragment],
        options: ScoreOptions,
        out: Place,
    ) -> Iterator[int]:
        classifier = DefendedClassifier.load(
            bundle, provider=options.provider, threads=threads, expected_digest=digest
        )
        for fragment in fragments:
            yield from score_fragment(classifier, fragment, options, out, batch_size)

    return work
