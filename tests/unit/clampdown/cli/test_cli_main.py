"""What every command has in common: help, errors, exit statuses, quietness."""

import errno
import importlib.metadata
import io
import os
import signal
import subprocess
import sys

import click
import pytest

from clampdown.cli import progress
from clampdown.cli.options import fit_options
from clampdown_runtime import ClampdownError

COMMANDS = [
    "defend",
    "calibrate",
    "export",
    "run",
    "evaluate",
    "inspect",
    "threshold",
    "verify",
    "sign",
    "bench",
    "serve",
    "doctor",
    "demo",
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
CLAMPDOWN = (sys.executable, "-c", "from clampdown.cli.main import main; main()")


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
    # The one that serves a page reports nothing, and the one that signs a path alone.
    assert ("--json" in result.stdout) == (command not in ("serve", "sign"))


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


SLOW = """
import sys, time
from pathlib import Path
from clampdown.cli.main import main
from clampdown_runtime.writing.atomic_write import atomic_folder

out = Path(sys.argv.pop())

def slow():
    with atomic_folder(out) as place:
        (place / "half").touch()
        print("ready", flush=True)
        time.sleep(60)

sys.modules["clampdown.cli.commands.doctor"].examine = slow
main()
"""


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")


@needs_signals
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_behind(tmp_path, number, status):
    command = [sys.executable, "-c", SLOW, "doctor", str(tmp_path / "made" / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert len(list((tmp_path / "made").iterdir())) == 1
        process.send_signal(number)
        assert process.wait(timeout=30) == status
    assert list(tmp_path.iterdir()) == []


PARSING = """
import os, signal
from clampdown.cli import main as module

original = module._Commands.make_context

def interrupted(self, *args, **keys):
    os.kill(os.getpid(), signal.SIGINT)
    return original(self, *args, **keys)

module._Commands.make_context = interrupted
module.main(["doctor"])
"""


@needs_signals
def test_ctrl_c_before_a_command_begins_is_no_other_status():
    done = subprocess.run(
        [sys.executable, "-c", PARSING], env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr == b"interrupted; nothing was left behind\n"


AGAIN = """
import os, shutil, signal, sys
original, sent = shutil.rmtree, []

def interrupted(*args, **keys):
    while len(sent) < int(sys.argv[3]):
        sent.append(os.kill(os.getpid(), signal.SIGTERM))
    original(*args, **keys)

shutil.rmtree = interrupted
"""


@needs_signals
@pytest.mark.parametrize("times", [1, 3])
def test_signals_while_it_cleans_up_leave_nothing_behind(tmp_path, times):
    code = AGAIN + SLOW.replace("sys.argv.pop()", "sys.argv[2]").replace(
        "main()", "main(['doctor'])"
    )
    code = code.replace("time.sleep(60)", "raise ValueError")
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", str(tmp_path / "out"), str(times)],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a shell does")
def test_closed_standard_streams_are_no_error(pristine, tmp_path):
    line = f'"$@" run {pristine} --input - '
    for closed, given, expected in (
        (">&-", b"good\n", b""),
        ("2>&-", b"good\n", b"negative\t0."),
        ("<&-", b"", b""),
        (">&- 2>&- <&-", b"", b""),
    ):
        done = subprocess.run(
            ["bash", "-c", line + closed, "bash", *CLAMPDOWN],
            env=ENVIRONMENT,
            input=given,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), closed
        assert done.stdout[: len(expected) or None] == expected


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


def test_a_closed_pipe_is_silent(pristine, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text\n" + "good\n" * 20_000)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        run = subprocess.run(
            [*CLAMPDOWN, "run", str(pristine), "--input", str(rows)],
            env=ENVIRONMENT,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert run.stderr == ""
    assert run.returncode == 1


def test_ctrl_c_ends_a_real_process(pristine):
    # A process started in the background ignores the signal, and so do those that it starts.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    with subprocess.Popen(
        [*CLAMPDOWN[:2], f"{heed}; {CLAMPDOWN[2]}", "run", str(pristine), "--input", "-"],
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # A window of lines comes back once the model is loaded and waits for more.
        process.stdin.write("good\n" * 1024)
        process.stdin.flush()
        assert process.stdout.readline().startswith("negative\t")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted; nothing was left behind\n"


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
