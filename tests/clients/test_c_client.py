"""The C example answers as the golden rows say."""

import itertools
import json
import math
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime_extensions import get_library_path

from clampdown_exporter.bundle.ort_format import ort_files
from clampdown_runtime import open_bundle, read_golden

SOURCE = Path(__file__).parents[2] / "runtime" / "clients" / "c"
HEADER = "onnxruntime_c_api.h"

WHITE_SPACE = "".join(one for one in map(chr, range(0x3100)) if one.isspace() and one != "\n")
"""Every character that Python strips, but the one that ends a line."""


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
    name = opened.manifest.text_model_file
    folder, python = sysconfig.get_config_vars("LIBDIR", "INSTSONAME")
    if name is None or not (Path(folder) / python).is_file():
        pytest.skip("no graph with a tokenizer, or no library of Python")
    model = opened.path / name
    golden = [row for row in read_golden(opened.golden_path).rows if math.isfinite(row.logits[0])]
    lines = "".join(row.text + "\n" for row in golden)
    words = [model, "--extensions", get_library_path()]
    # The extensions in a wheel are a module of Python, and look for its symbols.
    preloaded = str(Path(folder) / python)
    found = answers(run(program, *words, lines=lines, LD_PRELOAD=preloaded))
    for one, row in zip(found, golden, strict=True):
        assert one["logits"] == pytest.approx(row.logits, abs=tolerance)
        assert one["flagged"] == row.flagged


def test_class_is_pythons_where_logits_are_no_numbers(program: Path, tmp_path: Path) -> None:
    values = (math.nan, -math.inf, 1.0, 2.0, math.inf)
    table = np.array(list(itertools.product(values, repeat=3)), np.float32)
    nodes = [
        helper.make_node("Slice", ["input_ids", "zero", "one", "one"], ["place"]),
        helper.make_node("Squeeze", ["place", "one"], ["row"]),
        helper.make_node("Gather", ["table", "row"], ["logits"]),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    model = _model(tmp_path, ids, nodes, table=table, zero=np.array([0]), one=np.array([1]))
    lines = "".join(f"{row}\n" for row in range(len(table)))
    found = answers(run(program, model, lines=lines))
    assert [one["class"] for one in found] == table.argmax(axis=1).tolist()


@pytest.fixture
def text_model(tmp_path: Path) -> Path:
    """Takes a text and gives one answer for any, without the operators of the extensions."""
    text = helper.make_tensor_value_info("text", TensorProto.STRING, ["batch"])
    node = helper.make_node("Identity", ["answer"], ["logits"])
    return _model(tmp_path, text, [node], answer=np.zeros((1, 2), np.float32))


def test_texts_that_python_takes_are_taken(program: Path, text_model: Path) -> None:
    lines = "".join(f"{one}\n" for one in map(chr, range(1, 0x3100)) if not one.isspace())
    assert len(answers(run(program, text_model, lines=lines))) == lines.count("\n")


@pytest.mark.parametrize("blank", ["", " ", "\r", WHITE_SPACE])
def test_text_of_white_space_is_refused(program: Path, text_model: Path, blank: str) -> None:
    done = run(program, text_model, lines=f"good\n{blank}\nbad\n")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert "error: line 2: a text with more than white space is expected: " in done.stderr


@pytest.mark.parametrize("line", ["good\0bad", "good\0", "\0"])
def test_text_with_a_nul_is_refused(program: Path, text_model: Path, line: str) -> None:
    done = run(program, text_model, lines=f"good\n{line}\n")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    before = line.partition("\0")[0]
    assert done.stderr == f"error: line 2: a line without the character NUL is expected: {before}\n"


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
        ("\n", "line 2: a line of token ids is expected"),
        ("2 good 3\n", "line 2: a line of token ids is expected: 2 good 3"),
        ("2 3 4.5\n", "line 2: a line of token ids is expected"),
        ("2 6\0 7 3\n", "line 2: a line without the character NUL is expected: 2 6"),
        ("2 -6 3\n", "line 2: token ids from 0 up are expected: 2 -6 3"),
        ("2 99999999999999999999 3\n", "line 2: token ids from 0 up are expected"),
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
    for threshold in ("high", "nan", "-NaN", "nan(1)", "1x", ""):
        done = run(program, tmp_path, "--threshold", threshold)
        assert (done.returncode, done.stderr) == (
            1,
            f"error: a number is expected for --threshold: {threshold}\n",
        )


def _model(
    folder: Path, given: onnx.ValueInfoProto, nodes: list[onnx.NodeProto], **tables: np.ndarray
) -> Path:
    """A graph with a defended one's outputs, of which ``nodes`` give the logits."""
    tables |= {"score": np.zeros(1, np.float32), "flag": np.zeros(1, np.bool_)}
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "classes"]),
        helper.make_tensor_value_info("anomaly_score", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("flagged", TensorProto.BOOL, [1]),
    ]
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("Identity", ["score"], ["anomaly_score"]),
            helper.make_node("Identity", ["flag"], ["flagged"]),
        ],
        "answers",
        [given],
        outputs,
        [numpy_helper.from_array(table, name) for name, table in tables.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path
