"""Sessions and rows that contenders are timed with."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

LEVELS = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all (default)": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def session(
    path: Path, threads: int, *, level: str = "all (default)", profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session at its defaults, but for the threads and what is varied here.

    Args:
        path: the ONNX file.
        threads: that one operator may use.
        level: a key of ``LEVELS``.
        profile: the beginning of the file that the profile is written to.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = LEVELS[level]
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feed_of(
    session: onnxruntime.InferenceSession, batch_size: int, length: int
) -> dict[str, NDArray[np.int64]]:
    """Random tokens: the time depends on their number alone."""
    ids = np.random.default_rng(0).integers(1000, 20000, (batch_size, length))
    every = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    return {name: every[name] for name in (node.name for node in session.get_inputs())}
