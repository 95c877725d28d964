"""Fits the defence again on the very graph that is deployed, where the calibrated one differs."""

import dataclasses

from clampdown_calib.activations import run_clean_rows
from clampdown_calib.artefact import Calibration
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.intervals import Intervals
from clampdown_exporter.defended_model import TracedModel


def refit(
    traced: TracedModel, calibration: Calibration, rows: EncodedRows, *, clip: Intervals | None
) -> Calibration:
    """Fit the detector by running the graph itself; intervals stay as they are.

    Dynamic int8 moves every activation: with the statistics of the float32 model every clean row
    would be flagged.

    Args:
        traced: the graph before the passes.
        calibration: of the float32 model.
        rows: the clean rows that fit the defence.
        clip: in ``purify`` mode the intervals into which the only run is clipped: a layer's output
            before its own clip depends on the clips before it.
    """
    run = run_clean_rows(traced.source(calibration.facts, clip=clip), rows)
    return dataclasses.replace(calibration, detector=type(calibration.detector).fit(run))
