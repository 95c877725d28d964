"""What the environment says of encodings and warnings."""

import os
import subprocess

import pytest
from cli_process import CLAMPDOWN, ENVIRONMENT


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_output_is_utf8_whatever_the_environment_says(bundle_path, seal, options):
    seal(bundle_path, labels=["否定的", "肯定的"])
    run = subprocess.run(
        [*CLAMPDOWN, "run", str(bundle_path), "bad film ž", *options],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert "肯定的" in run.stdout.decode()


def test_an_error_is_told_whatever_the_environment_says(tmp_path):
    # A file name of bytes that are no UTF-8 comes as surrogates.
    run = subprocess.run(
        [*CLAMPDOWN, "run", os.fsencode(tmp_path / "否") + b"\xff", "good"],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
    )
    assert run.returncode == 2
    assert r"否\udcff: found nothing there" in run.stderr.decode()


@pytest.mark.skipif(os.name != "posix", reason="Windows has arguments of UTF-16")
def test_arguments_are_utf8_whatever_the_environment_says(pristine, tmp_path):
    rows = tmp_path / "rows-Käfer.csv"
    rows.write_text("Käfer\ngood\n", "utf-8")
    # Python reads them as ASCII, but for bytes that are none.
    environment = {**ENVIRONMENT, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments, end in (
        (("Käfer 昨日",), "\tKäfer 昨日\n"),
        (("--input", rows, "--text-column", "Käfer"), "\tgood\n"),
    ):
        run = subprocess.run(
            [*CLAMPDOWN, "run", str(pristine), *arguments],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (run.returncode, run.stderr) == (0, b"")
        assert run.stdout.decode().endswith(end)


@pytest.mark.parametrize(("filters", "status"), [("error", 2), ("ignore", 0), ("default", 0)])
def test_warnings_are_what_python_was_told(pristine, filters, status):
    run = subprocess.run(
        [*CLAMPDOWN, "run", str(pristine), "good " * 20],
        env={**ENVIRONMENT, "PYTHONWARNINGS": f"{filters}::UserWarning"},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = {"error": "error: ", "default": "warning: ", "ignore": ""}[filters]
    assert run.returncode == status
    assert len(run.stderr.splitlines()) == bool(shown)
    assert run.stderr.startswith(shown)
    assert len(run.stdout.splitlines()) == 1
