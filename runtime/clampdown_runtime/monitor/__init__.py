"""Counts what a classifier gives, and says whether the traffic is still what it was set up for."""

from clampdown_runtime.monitor.clean_rows import clean_changed
from clampdown_runtime.monitor.concentration import Concentration
from clampdown_runtime.monitor.drift import Drift, judge
from clampdown_runtime.monitor.levels import Level
from clampdown_runtime.monitor.monitor import Monitor
from clampdown_runtime.monitor.scale import Scale
from clampdown_runtime.monitor.snapshot import Snapshot
from clampdown_runtime.monitor.verdict import Change, Finding, Verdict

__all__ = [
    "Change",
    "Concentration",
    "Drift",
    "Finding",
    "Level",
    "Monitor",
    "Scale",
    "Snapshot",
    "Verdict",
    "clean_changed",
    "judge",
]
