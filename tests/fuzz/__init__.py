"""Feeds damaged and hostile files to everything that reads one, and says what came of it."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The samples in tests/ import each other by their bare names, as pytest lets them.
if str(ROOT / "tests") not in sys.path:
    sys.path.append(str(ROOT / "tests"))
