"""Where a graph's time goes, by operator, from ONNX Runtime's own profile."""

import json
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.latency.sessions import feed_of, session


def shares(model: Path, batch_size: int, length: int, *, runs: int = 50) -> dict[str, float]:
    """Milliseconds of one run that each operator's kernels take on one thread, largest first.

    Args:
        model: the ONNX file.
        batch_size: rows.
        length: tokens of each.
        runs: that the mean is taken of, the first one not counted.
    """
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(model, 1, profile=Path(folder) / "profile")
        feed = feed_of(profiled, batch_size, length)
        outputs = [node.name for node in profiled.get_outputs()]
        for _ in range(runs + 1):
            profiled.run(outputs, feed)
        events = json.loads(Path(profiled.end_profiling()).read_text("utf-8"))
    starts = [event["ts"] for event in events if event["name"] == "model_run"]
    spent: Counter[str] = Counter()
    for event in events:
        counted = event["cat"] == "Node" and event["name"].endswith("_kernel_time")
        if counted and event["ts"] >= sorted(starts)[1]:
            spent[event["args"]["op_name"]] += event["dur"]
    return {name: microseconds / 1000 / runs for name, microseconds in spent.most_common()}
