"""Scores fragments on Ray: each actor takes one after the other, reads it and writes it."""

import dataclasses
import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import ray
import ray.data
import ray.exceptions

from clampdown.integrations.ray_data import load_in_actor
from clampdown.score.fragments import Fragment
from clampdown.score.options import ScoreOptions
from clampdown.score.places.place import Place
from clampdown.score.score_fragment import is_finished, score_fragment
from clampdown.score.work import Work
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import ClampdownError

_GPU = ("cuda", "tensorrt")


def on_ray(threads: int, workers: int | None, batch_size: int) -> Work:
    """How fragments are scored on the cluster that ``RAY_ADDRESS`` names, or on this machine.

    Ray starts an actor that died again and gives it the fragment that it had.

    Args:
        threads: the CPUs of an actor.
        workers: how many actors there are; as many as fit when None.
        batch_size: the most rows in one run of the model.
    """

    def work(
        bundle: Path,
        digest: str,
        fragments: Sequence[Fragment],
        options: ScoreOptions,
        out: Place,
    ) -> Iterator[int]:
        with _connected(), _explained():
            gpus = int(options.provider in _GPU)
            _require_room(threads, gpus)
            rows = [
                # An actor has another folder than this process.
                {
                    "fragment": pickle.dumps(
                        dataclasses.replace(fragment, source=fragment.source.absolute())
                    )
                }
                for fragment in fragments
            ]
            scored = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                _Scorer,
                fn_constructor_args=(
                    bundle.absolute(),
                    digest,
                    options,
                    out.absolute(),
                    batch_size,
                ),
                num_cpus=threads,
                num_gpus=gpus,
                compute=ray.data.ActorPoolStrategy(
                    size=min(len(rows), workers or _fitting(threads, gpus))
                ),
            )
            for row in scored.iter_rows():
                if row["error"]:
                    raise pickle.loads(row["error"])  # noqa: S301 - of our own actor
                yield row["rows"]

    return work


class _Scorer:
    """One actor, which loads the bundle with its first fragment."""

    def __init__(
        self, bundle: Path, digest: str, options: ScoreOptions, out: Place, batch_size: int
    ) -> None:
        self._bundle, self._digest = bundle, digest
        self._options, self._out, self._batch_size = options, out, batch_size

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        fragment: Fragment = pickle.loads(row["fragment"])  # noqa: S301 - of our own driver
        try:
            # Another actor may have finished it and died before it could say so.
            if not is_finished(fragment, self._out):
                for _ in score_fragment(
                    self._classifier, fragment, self._options, self._out, self._batch_size
                ):
                    pass
        # Of what is raised here Ray hands on the text alone.
        except (ClampdownError, OSError) as error:
            return {"rows": 0, "error": pickle.dumps(error)}
        return {"rows": fragment.rows, "error": b""}

    @cached_property
    def _classifier(self) -> DefendedClassifier:
        return load_in_actor(self._bundle, self._digest, self._options.provider)


def _require_room(threads: int, gpus: int) -> None:
    """Refuse an actor for which this machine is too small: Ray would wait for another one for ever.

    A cluster may grow.
    """
    if os.environ.get("RAY_ADDRESS"):
        return
    for name, needed, option in (("CPU", threads, "--threads"), ("GPU", gpus, "--provider")):
        if (found := int(ray.cluster_resources().get(name, 0))) < needed:
            raise ClampdownError(
                "Ray",
                found=f"a machine on which it has {found} {name}s",
                expected=f"{needed} for an actor, as {option} asks",
                hint="Ask for less, or have RAY_ADDRESS name a cluster that has them.",
            )


def _fitting(threads: int, gpus: int) -> int:
    resources = ray.cluster_resources()
    fitting = int(resources.get("CPU", 1)) // threads
    return max(1, min(fitting, int(resources.get("GPU", 0))) if gpus else fitting)


@contextmanager
def _connected() -> Iterator[None]:
    """Connect to Ray, unless the program has done so already."""
    if ray.is_initialized():
        yield
        return
    # As of ONNX Runtime: nothing is reported to anybody, unless it is asked for.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(include_dashboard=False, logging_level="error")
    # A node that does not start raises an exception without a class of its own.
    except Exception as error:
        raise _failure(error) from error
    # The progress that is shown is ours.
    logging.getLogger("ray.data").setLevel("ERROR")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # Else every worker goes over the list of its memory once a second, which took a tenth of the
    # time of short fragments; that a worker's memory is bounded is ours to see to.
    context.memory_usage_poll_interval_s = None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a failure of Ray itself into an error that says what to do."""
    try:
        yield
    except ray.exceptions.RayError as error:
        raise _failure(error) from error


def _failure(error: Exception) -> ClampdownError:
    return ClampdownError(
        "Ray",
        found=f"a failure ({error})",
        expected="a cluster that starts and lasts until the end",
        hint="Give the command again: it continues where it was.",
    )
