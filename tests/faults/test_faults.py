"""A few faults of each kind leave a whole bundle and nothing else; `make faults` tries them all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .spoiled import SEEN_BY

ROOT = Path(__file__).resolve().parents[2]
KINDS = (
    "SIGKILL at a random moment",
    "SIGKILL at a line",
    "SIGTERM at a random moment",
    "SIGTERM at a line",
    "SIGTERM at a line, and again",
    "SIGINT at a random moment",
    "SIGINT at a line",
    "SIGINT at a line, and again",
    "a file may have n bytes",
    "destination full after n pages",
    "destination full after n files",
    "temporary folder full after n pages",
    "temporary folder full after n files",
    "mkdir fails once",
    "fsync fails once",
    "renameat2 fails once",
    "rename fails once, no exchange",
    "SIGKILL at a line, no exchange",
    "SIGTERM at a line, no exchange",
    "SIGINT at a line, no exchange",
    "4 writers at once",
    "4 writers at once, two of them killed",
    "2 readers while one writes 30 times",
    "standard streams: | head -1",
    "standard streams: > /dev/full",
    "standard streams: >&-",
    "destination of another user",
    "destination read-only",
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are forked and signalled as on Linux"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """All of it in a process of its own: one that has run sessions has threads, and does not fork.

    Modules are imported once there and every command is a fork.
    """
    report = tmp_path_factory.mktemp("faults") / "found.json"
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--quick", "--json", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), run.stderr
    return json.loads(report.read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_wrong(found, kind):
    if not found["trials"].get(kind):
        pytest.skip("; ".join(found["skipped"]))
    assert [line for line in found["wrong"] if line.startswith(f"{kind} | ")] == []


def test_no_other_kind_is_wrong_either(found):
    assert found["wrong"] == []


@pytest.mark.parametrize("spoil", SEEN_BY)
def test_a_product_that_is_broken_on_purpose_is_found_out(found, spoil):
    assert found["spoiled"][spoil] > 0
