"""What the defence costs: latency beside the undefended graph, for the report."""

from functools import partial

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.graphs.hidden_shapes import HideShapes
from clampdown_calib.graphs.large_graphs import open_session
from clampdown_exporter.passes.insert_statistic import THRESHOLD
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.timing import median_ratio, seconds_in_turn

TOKENS = 32
ROUNDS = 30


def latency_ratios(
    undefended: ir.Model, defended: ir.Model, manifest: Manifest, *, highest_id: int
) -> dict[str, float]:
    """Median ratios to the undefended graph, one row on one thread: ``unflagged``, ``flagged``.

    Args:
        undefended: the graph before the passes; it stays as it is.
        defended: the graph behind them.
        manifest: of the bundle.
        highest_id: token ids below it are sure to be in the vocabulary.
    """
    plain = undefended.clone()
    HideShapes()(plain)
    before, after = (
        open_session(graph, name=name, threads=1)
        for name, graph in (("the undefended graph", plain), ("the defended graph", defended))
    )
    length = min(TOKENS, manifest.max_length)
    feed = _random_row(manifest.inputs, length, highest_id)
    runs = {"undefended": partial(before.run, None, feed)}
    for name, threshold in {"unflagged": np.inf, "flagged": -np.inf}.items():
        given = {**feed, THRESHOLD: np.array([threshold], np.float32)}
        runs[name] = partial(after.run, None, given)
    seconds = seconds_in_turn(runs, rounds=ROUNDS, settling_s=0)
    return {
        name: median_ratio(seconds[name], seconds["undefended"])
        for name in ("unflagged", "flagged")
    }


def _random_row(
    inputs: tuple[str, ...], length: int, highest_id: int
) -> dict[str, NDArray[np.int64]]:
    """Random token ids, int64 ``[1, length]`` for every input."""
    ids = np.random.default_rng(0).integers(1, highest_id, (1, length), dtype=np.int64)
    given = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    return {name: given[name] for name in inputs}
