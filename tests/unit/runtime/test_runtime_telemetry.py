"""Loading and running a bundle writes nothing of its own anywhere."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, time
from clampdown_runtime import DefendedClassifier
DefendedClassifier.load(sys.argv[1])(["good film"])
time.sleep(1)
"""


def files_left(home, bundle, **environment):
    """What a fresh process leaves in a home of its own."""
    home.mkdir()
    own = {"HOME": str(home), "USERPROFILE": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    inherited = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", PROGRAM, str(bundle)]
    subprocess.run(command, check=True, env=inherited | own | environment)
    return [path for path in home.rglob("*") if path.is_file()]


def test_a_home_stays_empty(tmp_path, bundle_path):
    assert files_left(tmp_path / "home", bundle_path) == []


def test_it_is_our_doing(tmp_path, bundle_path):
    """Where the user turned telemetry on, it is."""
    if not files_left(tmp_path / "home", bundle_path, ORT_DISABLE_TELEMETRY="0"):
        pytest.skip("this build of ONNX Runtime has no telemetry")
