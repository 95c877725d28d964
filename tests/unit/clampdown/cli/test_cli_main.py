"""What every command has in common: help, errors, exit statuses, quietness."""

import errno
import importlib.metadata
import io
import os
import subprocess
import sys

import click
import pytest
from cli_process import ENVIRONMENT

from clampdown.cli import progress
from clampdown.cli.options import fit_options
from clampdown_runtime import ClampdownError

COMMANDS = [
    "defend",
    "calibrate",
    "export",
    "run",
    "score",
    "evaluate",
    "monitor",
    "adapt",
    "inspect",
    "threshold",
    "verify",
    "sign",
    "bench",
    "serve",
    "integrate",
    "doctor",
    "demo",
]


def loaded_after(code):
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()}


HEAVY = {
    "torch",
    "transformers",
    "onnx",
    "onnx_ir",
    "safetensors",
    "rich",
    "clampdown_calib.fit",
    "clampdown_exporter.run_export",
}


def test_help_loads_nothing_heavy():
    loaded = loaded_after(
        "from clampdown.cli.main import main\nmain(['--help'], standalone_mode=False)"
    )
    assert {"click", "clampdown"} <= loaded
    assert not loaded & {*HEAVY, "onnxruntime"}


def test_run_and_doctor_load_nothing_heavy(pristine):
    loaded = loaded_after(
        "from clampdown.cli.main import main\n"
        f"main(['run', {str(pristine)!r}, 'good'], standalone_mode=False)\n"
        "main(['doctor'], standalone_mode=False)"
    )
    assert "onnxruntime" in loaded
    assert not loaded & HEAVY


def test_the_help_lists_every_command_in_the_order_of_use(invoke):
    result = invoke("--help")
    assert result.exit_code == 0
    listed = result.stdout.partition("Commands:")[2].partition("Exit status")[0]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(invoke, command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"  clampdown {command}" in result.stdout.partition("Example:")[2]
    # The one that serves a page reports nothing, and those that write for others a path alone.
    assert ("--json" in result.stdout) == (command not in ("serve", "sign", "integrate"))


def test_the_version_is_that_of_the_distribution(invoke, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", {"clampdown": "9.8.7"}.__getitem__)
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, "clampdown 9.8.7\n")


def test_an_error_of_clampdown_is_one_line_and_status_2(invoke, failing):
    failing(ClampdownError("the thing", found="this", expected="that", hint="Do so."))
    result = invoke("doctor")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "error: the thing: found this; expected that. Do so.\n"


def test_an_interrupt_is_status_130(invoke, failing):
    failing(KeyboardInterrupt())
    result = invoke("doctor")
    assert result.exit_code == 130
    assert result.stderr == "interrupted; nothing was left behind\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_place_that_cannot_be_written_is_told(invoke, failing, number):
    failing(OSError(number, os.strerror(number), "some/where"))
    result = invoke("doctor")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: some/where: found {os.strerror(number)}; expected")


@pytest.mark.parametrize("number", [errno.EIO, errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG])
def test_whatever_a_system_refuses_is_told(invoke, failing, number):
    failing(OSError(number, os.strerror(number), "some/where"))
    result = invoke("doctor")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: some/where: found {os.strerror(number)}; expected")
    failing(OSError("no number at all"))
    assert invoke("doctor").stderr.startswith("error: a file: found no number at all; expected")


def test_a_path_that_is_too_long_is_told(invoke, pristine):
    long = "n" * 5000
    for line in (("run", pristine, "--input", f"{long}.csv"), ("run", long, "good")):
        result = invoke(*line)
        assert result.exit_code == 2
        assert "File name too long" in result.stderr


@pytest.mark.parametrize("error", [ModuleNotFoundError("x", name="x"), RuntimeError()])
def test_a_defect_is_not_dressed_up(invoke, failing, error):
    failing(error)
    assert invoke("doctor").exception is error


def test_an_unknown_option_is_status_2(invoke):
    result = invoke("doctor", "--fast")
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_progress_is_silent_where_there_is_no_terminal(capsys):
    with progress.terminal_progress() as show:
        show("Stage", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_on_a_terminal(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.terminal_progress() as show:
        show("Fitting", 1, 2)
        show("Fitting", 2, 2)
        show("Counting", 7, 0)
    assert "Fitting" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert "7/?" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_options_are_listed_in_the_order_given():
    command = click.command()(fit_options(lambda: None))
    names = [option.name for option in command.params]
    assert names[:2] == ["method", "layers"]
    assert names[-2:] == ["exporter", "provider"]
