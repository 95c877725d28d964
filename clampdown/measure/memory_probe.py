"""Prints by how many bytes loading and running one model grows this process; run in a fresh one."""

import re
import sys
from pathlib import Path

import numpy as np

from clampdown_runtime.sessions.providers import Provider, import_onnxruntime
from clampdown_runtime.sessions.session import create_session

_RUNS = 3


def growth(model: Path, feed: Path, provider: Provider) -> int:
    """Load a model and run it a few times.

    Args:
        model: an ONNX file.
        feed: an ``.npz`` file with an array for each of its inputs.
        provider: where it runs.

    Returns:
        Bytes by which the resident memory has grown.
    """
    with np.load(feed, allow_pickle=False) as arrays:
        inputs = dict(arrays)
    import_onnxruntime()
    before = _resident()
    session = create_session(model, provider=provider)
    for _ in range(_RUNS):
        session.run(None, inputs)
    return _resident() - before


def _resident() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found  # noqa: S101 - the kernel's own format
    return 1024 * int(found[1])


if __name__ == "__main__":
    print(growth(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))  # type: ignore[arg-type] # noqa: T201
