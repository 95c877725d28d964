"""The command line in a process of its own."""

import os
import sys

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
CLAMPDOWN = (sys.executable, "-c", "from clampdown.cli.main import main; main()")
