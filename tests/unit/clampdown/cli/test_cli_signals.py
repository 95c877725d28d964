"""Signals, closed streams and pipes, in real processes."""

import os
import signal
import subprocess
import sys

import pytest
from cli_process import CLAMPDOWN, ENVIRONMENT

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
