"""A worker and the driver of a run on Ray are killed, and no row is lost or there twice."""

import signal
import sys

import pytest

from benchmarks.fleet.killed import run_with_kills
from benchmarks.fleet.rows import digest, read, short_texts, write_rows


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found as Linux lists them")
def test_what_is_killed_is_continued(pristine, classifier, tmp_path):
    source, out = tmp_path / "rows", tmp_path / "out"
    write_rows(source, short_texts(36_000), 3000)
    first, second = run_with_kills(pristine, source, out, 12)
    assert (first.status, second.status) == (-signal.SIGKILL, 0)
    given = [*read(source, ("id", "text"))]
    predictions = classifier.stream(text for _, text in given)
    expected = (
        (*row, prediction.label, prediction.flagged)
        for row, prediction in zip(given, predictions, strict=True)
    )
    assert digest(read(out, ("id", "text", "label", "flagged"))) == digest(expected)
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
