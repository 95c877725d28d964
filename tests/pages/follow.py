"""Follows one section of a page in an environment of its own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.pages.sections import Block, commands

ROOT = Path(__file__).parents[2]

NOT_RUN = {
    r"tritonserver ": "Triton's server is an image of gigabytes, not a package",
    r"python \S+/replay_golden\.py": "asks Triton; tests/integrations has servers of its protocol",
    r"aws s3 ": "there is no bucket",
    r"clampdown score .*s3://": "there is no bucket; tests/integrations has a server of its own",
    r"kubectl ": "there is no cluster",
}
"""What a command begins with that is not run, and why."""

SERVERS = {r"mlflow models serve ": 5000, r"(\w+=\S+ )*uvicorn ": 8000}
"""What a command begins with that does not end, and the port that it has without ``--port``."""

SHELL = ("", "sh", "bash", "console")
COMMAND_SECONDS, START_SECONDS = 1200, 300


class FailedError(Exception):
    """A command did what it should not."""


@dataclass
class Followed:
    """What came of a section."""

    packages: str = ""
    ran: int = 0
    not_run: list[str] = field(default_factory=list)
    failure: str = ""


def follow(blocks: list[Block], materials: Path, place: Path, pip: dict[str, str]) -> Followed:
    """Runs a section's blocks in their order.

    Args:
        blocks: of the section.
        materials: the files that its commands begin with.
        place: a folder that is not there yet, for environment, sources and home.
        pip: what pip is told by its environment.
    """
    followed, section = Followed(), _Section(materials, place, pip)
    try:
        for block in blocks:
            section.run(block, followed)
            followed.ran += 1
    except FailedError as error:
        followed.failure = str(error)
    finally:
        section.end()
    followed.packages = section.packages()
    return followed


class _Section:
    def __init__(self, materials: Path, place: Path, pip: dict[str, str]) -> None:
        self._venv, self._sources, self._log = (place / n for n in ("venv", "clampdown", "log"))
        home = place / "home"
        home.mkdir(parents=True)
        # An answer with an error's status is one.
        (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
        _copy_sources(self._sources)
        shutil.copytree(materials, self._sources, dirs_exist_ok=True)
        _make_environment(self._venv)
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            **pip,
            "HOME": str(home),
            "PATH": f"{self._venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self._venv),
        }
        self._servers: list[subprocess.Popen[bytes]] = []
        self._python: list[str] = []

    def run(self, block: Block, followed: Followed) -> None:
        if block.language in SHELL:
            self._shell(block.text, followed)
        elif block.language == "python":
            # A block goes on where the one before it ended.
            self._python.append(block.text)
            (self._sources / "blocks.py").write_text("\n\n".join(self._python), "utf-8")
            self._finish("python blocks.py")
        else:
            raise FailedError(f"a block of {block.language}, which nothing here runs")

    def _shell(self, text: str, followed: Followed) -> None:
        script: list[str] = []
        for command in commands(text):
            reason = next((why for one, why in NOT_RUN.items() if re.match(one, command)), None)
            port = next((port for one, port in SERVERS.items() if re.match(one, command)), None)
            if reason is not None:
                followed.not_run.append(f"`{command}`: {reason}")
            elif port is not None:
                self._finish("\n".join(script))
                script = []
                self._serve(command, port)
            else:
                script.append(command)
        self._finish("\n".join(script))

    def _finish(self, script: str) -> None:
        if not script:
            return
        process = self._start(script)
        try:
            status = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            _end(process)
            ended = f"exit status {status}" if status is not None else "no end"
            raise FailedError(f"{script}\n{ended}\n{self._tail()}")

    def _serve(self, command: str, port: int) -> None:
        given = re.search(r"--port[ =](\d+)", command)
        port = int(given[1]) if given else port
        if _answers(port):
            raise FailedError(f"{command}\nsomething answers at port {port} already")
        process = self._start(command)
        self._servers.append(process)
        until = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise FailedError(f"{command}\nnobody answers at port {port}\n{self._tail()}")
            time.sleep(0.5)

    def _start(self, script: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=self._sources,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # So that what it starts ends with it.
                start_new_session=True,
            )

    def _tail(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-40:])

    def end(self) -> None:
        for server in self._servers:
            _end(server)

    def packages(self) -> str:
        """What nothing else that is installed asks for, with versions."""
        listed = subprocess.run(
            [self._venv / "bin" / "pip", "list", "--not-required", "--format=freeze"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = (line.replace("==", " ") for line in listed.stdout.splitlines())
        there = ("clampdown ", "pip ", "setuptools ")
        return ", ".join(line for line in lines if not line.startswith(there))


def _make_environment(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)


def _copy_sources(folder: Path) -> None:
    """What git knows of, as it lies there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
