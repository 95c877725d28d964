"""The C example answers as the golden rows say."""

import json
import math
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import onnxruntime
import pytest
from onnxruntime_extensions import get_library_path

from clampdown_exporter.ort_format import ort_files
from clampdown_exporter.with_tokenizer import text_model_file
from clampdown_runtime import open_bundle, read_golden

SOURCE = Path(__file__).parents[2] / "runtime" / "clients" / "c"
HEADER = "onnxruntime_c_api.h"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the headers that are found and the library of Python's ONNX Runtime."""
    places = [Path("/usr/include/onnxruntime"), Path("/usr/local/include/onnxruntime")]
    if given := os.environ.get("ONNXRUNTIME_HOME"):
        places.insert(0, Path(given) / "include")
    headers = next((place for place in places if (place / HEADER).is_file()), None)
    if headers is None or shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip(f"no C compiler, make and {HEADER}: set ONNXRUNTIME_HOME to a release")
    home = tmp_path_factory.mktemp("onnxruntime")
    (home / "include").symlink_to(headers)
    (home / "lib").mkdir()
    [library] = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
    # The linker looks for the first name, the loader for the second.
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (home / "lib" / name).symlink_to(library)
    subprocess.run(
        ["make", "-C", SOURCE, f"ONNXRUNTIME_HOME={home}", f"BUILD={home}"],
        check=True,
        capture_output=True,
    )
    return home / "classify"


def run(
    program: Path, *words: object, lines: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *map(str, words)],
        check=False,
        input=lines,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def answers(done: subprocess.CompletedProcess[str]) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def numbers(values: list) -> list[float]:
    """JSON has no NaN."""
    return [math.nan if value is None else value for value in values]


def test_golden_rows_are_replayed(program: Path, real_bundle: Path, tolerance: float) -> None:
    opened = open_bundle(real_bundle)
    golden = read_golden(opened.golden_path).rows
    lines = "".join(" ".join(map(str, row.input_ids)) + "\n" for row in golden)
    found = answers(run(program, opened.model_path, lines=lines))
    assert len(found) == len(golden)
    for one, row in zip(found, golden, strict=True):
        assert list(one) == ["class", "logits", "anomaly_score", "flagged"]
        assert numbers([*one["logits"], one["anomaly_score"]]) == pytest.approx(
            [*row.logits, row.anomaly_score], abs=tolerance, nan_ok=True
        )
        assert one["flagged"] == row.flagged
        if math.isfinite(row.logits[0]):
            assert opened.manifest.labels[one["class"]] == row.label


def test_ort_format_runs(program: Path, real_bundle: Path, tolerance: float) -> None:
    opened = open_bundle(real_bundle)
    row = read_golden(opened.golden_path).rows[0]
    line = " ".join(map(str, row.input_ids))
    [found] = answers(run(program, ort_files(opened.model_path)[0], lines=line))
    assert found["logits"] == pytest.approx(row.logits, abs=tolerance)


def test_texts_are_classified(program: Path, real_bundle: Path, tolerance: float) -> None:
    opened = open_bundle(real_bundle)
    model = text_model_file(opened.model_path)
    folder, python = sysconfig.get_config_vars("LIBDIR", "INSTSONAME")
    if not model.exists() or not (Path(folder) / python).is_file():
        pytest.skip("no graph with a tokenizer, or no library of Python")
    golden = [row for row in read_golden(opened.golden_path).rows if math.isfinite(row.logits[0])]
    lines = "".join(row.text + "\n" for row in golden)
    words = [model, "--extensions", get_library_path()]
    # The extensions in a wheel are a module of Python, and look for its symbols.
    preloaded = str(Path(folder) / python)
    found = answers(run(program, *words, lines=lines, LD_PRELOAD=preloaded))
    for one, row in zip(found, golden, strict=True):
        assert one["logits"] == pytest.approx(row.logits, abs=tolerance)
        assert one["flagged"] == row.flagged


@pytest.mark.parametrize(("threshold", "flagged"), [("-inf", True), ("inf", False)])
def test_threshold_is_taken(
    program: Path, real_bundle: Path, threshold: str, flagged: bool
) -> None:
    model = open_bundle(real_bundle).model_path
    words = [model, "--threshold", threshold]
    assert [one["flagged"] for one in answers(run(program, *words, lines="2 6 3\n"))] == [flagged]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("\n", "a line of token ids is expected"),
        ("2 good 3\n", "a line of token ids is expected: 2 good 3"),
        ("2 3 4.5\n", "a line of token ids is expected"),
        ("2 -6 3\n", "token ids from 0 up are expected: 2 -6 3"),
        ("2 99999999999999999999 3\n", "token ids from 0 up are expected"),
        ("2 1000000 3\n", "the run of a row: "),
    ],
)
def test_row_that_is_none_is_refused(
    program: Path, real_bundle: Path, lines: str, sentence: str
) -> None:
    done = run(program, open_bundle(real_bundle).model_path, lines="2 6 3\n" + lines)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_wrong_call_is_refused(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path / "model.onnx")
    assert done.returncode == 1
    assert "error: the model: " in done.stderr
    for words in ([], ["a", "b"], ["a", "--threshold"], ["a", "--what", "1"]):
        done = run(program, *words)
        assert (done.returncode, done.stderr[:6]) == (2, "usage:")
    done = run(program, tmp_path, "--threshold", "high")
    assert (done.returncode, done.stderr) == (
        1,
        "error: a number is expected for --threshold: high\n",
    )
