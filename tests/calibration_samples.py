"""Calibrations of the graph made by hand, one of each method."""

import numpy as np
import tiny_graph

from clampdown_calib import Calibration, CalibrationFacts
from clampdown_calib.calibration import Reading
from clampdown_calib.rows.clean_rows import CleanRow

DETECTORS = {"probe": "excess", "badacts": "nas"}


def reading(detector, clip=None):
    return Reading(
        tiny_graph.DETECTORS[detector].fit(tiny_graph.seen(tiny_graph.batch(40, 6), clip=clip)),
        np.float32([0.5]),
        np.float32([1.5]),
    )


def calibration(method="badacts"):
    clips = method == "badacts"
    intervals = tiny_graph.intervals() if clips else None
    return Calibration(
        CalibrationFacts(
            model_digest="sha256:" + "0" * 64,
            model_name="tiny",
            model_type="bert",
            graph_digest="sha256:" + "1" * 64,
            precision="int8",
            exporter="torch",
            labels=("a", "b", "c"),
            layers=("layer.0", "layer.1"),
            representation="first",
            method=method,
            epochs=6 * clips,
            frr=0.1,
            seed=0,
            fit_rows=1,
            held_out_rows=1,
            kept=0.98 if clips else None,
        ),
        reading(DETECTORS[method]),
        reading(DETECTORS[method], intervals) if clips else None,
        None if clips else tiny_graph.answer(),
        intervals,
        np.float32([[0, 2, 1]]),
        np.float32([[3, 2, 1]]),
        (CleanRow("one\u2028line", 1, "fit"), CleanRow("Käfer", 2, "held-out")),
    )
