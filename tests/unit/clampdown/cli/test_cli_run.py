"""`clampdown run` on the tiny bundle: formats, sources, errors, and memory that stays bounded."""

import json

import pytest

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.digests import file_digest

TEXTS = ["good", "bad film", "cf"]


@pytest.fixture
def expected(classifier):
    return classifier(TEXTS)


def check_lines(stdout, expected, texts=TEXTS):
    lines = [line.split("\t") for line in stdout.splitlines()]
    assert len(lines) == len(texts)
    for line, text, prediction in zip(lines, texts, expected, strict=True):
        assert line == [
            prediction.label,
            f"{prediction.probability:.4f}",
            f"{prediction.anomaly_score:.4f}",
            "true" if prediction.flagged else "false",
            text,
        ]


def test_texts(invoke, pristine, expected):
    result = invoke("run", pristine, *TEXTS)
    assert result.exit_code == 0
    assert {prediction.flagged for prediction in expected} == {True, False}
    check_lines(result.stdout, expected)
    assert result.stderr == ""


def test_another_bundle_than_the_expected_one_is_refused(invoke, pristine):
    digest = file_digest(pristine / "clampdown.json")
    assert invoke("run", pristine, "good", "--expect", digest).exit_code == 0
    result = invoke("run", pristine, "good", "--expect", f"sha256:{'0' * 64}")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"found the digest {digest}; expected sha256:000" in result.stderr


def test_cuda_graphs_need_cuda(invoke, pristine):
    result = invoke("run", pristine, "good", "--cuda-graphs")
    assert result.exit_code == 2
    assert "CUDA graphs: found the provider 'cpu'" in result.stderr


def test_a_text_that_a_spreadsheet_would_run_is_quoted_and_json_has_it_as_it_is(invoke, pristine):
    text = "=good"
    assert invoke("run", pristine, text).stdout.rstrip("\n").endswith("\t'=good")
    assert "'" not in invoke("run", pristine, text, "--json").stdout


def test_a_time_limit_that_is_kept_changes_nothing(invoke, pristine):
    plain = invoke("run", pristine, *TEXTS)
    limited = invoke("run", pristine, *TEXTS, "--time-limit", "60")
    assert (limited.exit_code, limited.stdout) == (0, plain.stdout)
    assert invoke("run", pristine, *TEXTS, "--time-limit", "0").exit_code == 2


def test_a_long_text_is_read_in_windows(invoke, pristine, classifier):
    text = "the " * 30 + "good"
    for options, given in (
        (("--window", "6"), {}),
        (("--window", "6", "--stride", "3"), {"stride": 3}),
    ):
        result = invoke("run", pristine, text, *options)
        [expected] = classifier.documents([text], size=6, **given)
        assert (result.exit_code, result.stderr) == (0, "")
        check_lines(result.stdout, [expected], [text])
    assert invoke("run", pristine, text, "--stride", "3").exit_code == 2
    result = invoke("run", pristine, text, "--window", "9")
    assert result.exit_code == 2
    assert "3 to 8 tokens" in result.stderr


def test_json_lines(invoke, pristine, expected):
    result = invoke("run", pristine, *TEXTS, "--json")
    for line, prediction in zip(result.stdout.splitlines(), expected, strict=True):
        assert json.loads(line) == {
            "label": prediction.label,
            "probability": prediction.probability,
            "anomaly_score": prediction.anomaly_score,
            "flagged": prediction.flagged,
            "logits": list(prediction.logits),
        }


def test_numbers_that_are_not_finite(invoke, pristine):
    found = json.loads(invoke("run", pristine, "a broken film", "--json").stdout)
    assert found["flagged"] is True
    assert found["anomaly_score"] is found["probability"] is None
    assert found["logits"] == [None, None]
    assert "nan\tnan\ttrue" in invoke("run", pristine, "a broken film").stdout


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_file(invoke, pristine, tmp_path, expected, name):
    path = tmp_path / name
    if path.suffix == ".csv":
        path.write_text("text\n" + "".join(f"{text}\n" for text in TEXTS))
    else:
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    result = invoke("run", pristine, "--input", path)
    assert (result.exit_code, result.stderr) == (0, "")
    check_lines(result.stdout, expected)


def test_lines_of_standard_input(invoke, pristine, expected):
    result = invoke("run", pristine, "--input", "-", input="\r\n".join(TEXTS))
    assert result.exit_code == 0
    check_lines(result.stdout, expected)


def test_more_rows_than_one_window(invoke, pristine, tmp_path, classifier):
    texts = [f"{'good ' * (index % 5 + 1)}film" for index in range(2500)]
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "".join(f"{text}\n" for text in texts))
    check_lines(invoke("run", pristine, "--input", path).stdout, classifier(texts), texts)


def test_results_come_before_the_end_of_the_input(invoke, pristine, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "good\n" * 1024 + "   \n")
    result = invoke("run", pristine, "--input", path)
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 1024
    assert "rows.csv, line 1026" in result.stderr


def test_a_text_stays_on_its_line(invoke, pristine):
    result = invoke("run", pristine, "good\tfilm\nbad\x1b[0m")
    assert result.stdout.endswith("\tgood\\tfilm\\nbad\\x1b[0m\n")
    assert len(result.stdout.splitlines()) == 1


def test_truncation_is_one_line_on_standard_error(invoke, pristine):
    result = invoke("run", pristine, "good " * 30, "bad")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == (
        "warning: 1 of the texts were longer than 8 tokens and were truncated: what follows was "
        "not seen by the model\n"
    )


@pytest.mark.parametrize("arguments", [(), ("good", "--input", "rows.csv")])
def test_texts_or_a_file(invoke, pristine, arguments):
    result = invoke("run", pristine, *arguments)
    assert result.exit_code == 2
    assert "Give texts or --input" in result.stderr


def test_a_bad_line_is_named(invoke, pristine):
    result = invoke("run", pristine, "--input", "-", input=b"\ngood\n\xff\n")
    assert result.exit_code == 2
    assert "standard input, line 3: found bytes that are not UTF-8" in result.stderr


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("good\n\nbad film\ncf\n", "note: left out 1 blank line of standard input\n"),
        ("\n \t\ngood\r\nbad film\n\r\ncf", "note: left out 3 blank lines of standard input\n"),
    ],
)
def test_blank_lines_of_standard_input_are_left_out(invoke, pristine, expected, content, note):
    result = invoke("run", pristine, "--input", "-", input=content)
    assert (result.exit_code, result.stderr) == (0, note)
    check_lines(result.stdout, expected)


def test_a_byte_order_mark_of_standard_input_is_no_text(invoke, pristine, expected):
    content = "\ufeff" + "\n".join(TEXTS)
    result = invoke("run", pristine, "--input", "-", input=content)
    assert (result.exit_code, result.stderr) == (0, "")
    check_lines(result.stdout, expected)
    # Elsewhere it is a character as any other.
    result = invoke("run", pristine, "--input", "-", input="a\n\ufeffb")
    assert result.stdout.endswith("\t\\ufeffb\n")


@pytest.mark.parametrize("options", [(), ("--all-probabilities",)])
def test_all_probabilities_are_columns_behind_the_text(invoke, pristine, expected, options):
    result = invoke("run", pristine, *TEXTS, *options)
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    check_lines("\n".join("\t".join(line[:5]) for line in lines), expected)
    for line, prediction in zip(lines, expected, strict=True):
        named = zip(("negative", "positive"), prediction.probabilities, strict=True)
        assert line[5:] == [f"{label}={value:.4f}" for label, value in named if options]


def test_a_label_that_a_spreadsheet_would_run_is_quoted_in_every_column(invoke, bundle_path, seal):
    seal(bundle_path, labels=["=a", "b\tc"])
    line = invoke("run", bundle_path, "good", "--all-probabilities").stdout.rstrip("\n").split("\t")
    assert line[5].startswith("'=a=0.")
    assert line[6].startswith("b\\tc=0.")


def test_all_probabilities_are_an_object_of_json(invoke, pristine, expected):
    result = invoke("run", pristine, *TEXTS, "--json", "--all-probabilities")
    for line, prediction in zip(result.stdout.splitlines(), expected, strict=True):
        found = json.loads(line)["probabilities"]
        assert found == dict(zip(("negative", "positive"), prediction.probabilities, strict=True))
        assert found[prediction.label] == prediction.probability
        assert sum(found.values()) == pytest.approx(1)
    broken = invoke("run", pristine, "a broken film", "--json", "--all-probabilities").stdout
    assert json.loads(broken)["probabilities"] == {"negative": None, "positive": None}


def test_columns_of_other_names(invoke, pristine, tmp_path, expected):
    path = tmp_path / "rows.tsv"
    path.write_text("Label\tKäfer\n" + "".join(f"x\t{text}\n" for text in TEXTS), "utf-8")
    result = invoke("run", pristine, "--input", path, "--text-column", "Käfer")
    # Of labels nothing is said: none are asked for.
    assert (result.exit_code, result.stderr) == (0, "")
    check_lines(result.stdout, expected)
    result = invoke("run", pristine, "--input", path, "--delimiter", "ab")
    assert result.stderr.startswith("error: The delimiter: found 'ab'; expected one character")


def test_an_empty_text_is_an_error(invoke, pristine):
    result = invoke("run", pristine, "good", " ")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: text 1: found a text of white space")


def test_a_folder_that_is_no_bundle_is_an_error(invoke, tmp_path):
    result = invoke("run", tmp_path, "good")
    assert result.exit_code == 2
    assert "a folder without clampdown.json" in result.stderr


def test_a_gpu_where_there_is_none_is_an_error(invoke, pristine, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    result = invoke("run", pristine, "good", "--provider", "cuda")
    assert result.exit_code == 2
    assert "the provider 'cuda'" in result.stderr


@pytest.mark.parametrize("given", [("good",), ("--input", "-")])
@pytest.mark.parametrize("option", ["--text-column=review", "--delimiter=;"])
def test_options_of_a_file_are_refused_without_one(invoke, pristine, given, option):
    result = invoke("run", pristine, *given, option)
    assert result.exit_code == 2
    assert "with --input and a file" in result.stderr


def test_labels_are_not_asked_for(invoke, pristine, tmp_path):
    """Neither noted, nor in the way of a column of texts that is called so."""
    path = tmp_path / "rows.csv"
    path.write_text("label,Label\ngood,x\n")
    result = invoke("run", pristine, "--input", path, "--text-column=label")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("\tgood\n")


@pytest.fixture
def many(many_labels):
    return DefendedClassifier.load(many_labels)


def test_of_many_labels_those_that_a_text_has_stand_between_bars(invoke, many, texts):
    expected = many(texts)
    assert {len(prediction.labels) for prediction in expected} == {0, 1, 2}
    result = invoke("run", many.bundle.path, *texts)
    for line, prediction in zip(result.stdout.splitlines(), expected, strict=True):
        labels, chances, score, *_ = line.split("\t")
        assert labels == "|".join(prediction.labels)
        every = dict(zip(many.manifest.labels, prediction.probabilities, strict=True))
        assert chances == "|".join(f"{every[label]:.4f}" for label in prediction.labels)
        assert score == f"{prediction.anomaly_score:.4f}"


def test_json_of_many_labels_lists_them(invoke, many, texts):
    result = invoke("run", many.bundle.path, *texts, "--json", "--all-probabilities")
    for line, prediction in zip(result.stdout.splitlines(), many(texts), strict=True):
        found = json.loads(line)
        assert found["labels"] == [*prediction.labels]
        assert found["label"] == prediction.label
        assert list(found["probabilities"].values()) == [*prediction.probabilities]
