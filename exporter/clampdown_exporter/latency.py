"""How much longer the defended graph takes than the undefended one, in one interleaved run."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Feed = Mapping[str, NDArray[Any]]


def median_ratio(
    run: Callable[[], object], reference: Callable[[], object], *, pairs: int
) -> float:
    """Median of the ratios ``run`` over ``reference``, each pair run directly after the other.

    Machines drift; two runs that follow each other see the same machine.

    Args:
        run: what is measured.
        reference: what it is compared with.
        pairs: counted pairs, after one that is not counted.
    """
    ratios = []
    for _ in range(pairs + 1):
        start = time.perf_counter()
        reference()
        middle = time.perf_counter()
        run()
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return statistics.median(ratios[1:])


def random_rows(
    inputs: tuple[str, ...], *, batch: int, length: int, highest_id: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Token ids of exactly one length, int64 ``[batch, length]`` for every input.

    Args:
        inputs: names of the graph's inputs.
        batch: rows.
        length: tokens of each.
        highest_id: ids are drawn below this one.
        seed: of the ids.
    """
    shape = (batch, length)
    ids = np.random.default_rng(seed).integers(1, highest_id, shape, dtype=np.int64)
    fixed = {
        "attention_mask": np.ones(shape, np.int64),
        "token_type_ids": np.zeros(shape, np.int64),
    }
    return {name: ids if name == "input_ids" else fixed[name] for name in inputs}
