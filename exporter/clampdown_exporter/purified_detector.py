"""The detector of a `purify` mode that clips, whose only run is a clipped one."""

import dataclasses

from clampdown_calib.activations import run_clean_rows
from clampdown_calib.artefact import Calibration
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.detectors import Detector
from clampdown_calib.intervals import Intervals
from clampdown_calib.readout import Readout
from clampdown_exporter.defended_model import TracedModel
from clampdown_exporter.passes.insert_clips import InsertClips


def fit_on_clipped_run(
    traced: TracedModel, calibration: Calibration, intervals: Intervals, fit: EncodedRows
) -> tuple[Readout, Detector]:
    """Fit the calibration's kind of detector by running the clipped graph itself.

    A layer's output before its own clip depends on the clips before it, so the statistics of the
    unclipped run do not describe it.
    """
    clipped = dataclasses.replace(traced, graph=traced.graph.clone())
    InsertClips(intervals)(clipped.graph)
    readout, samples = run_clean_rows(clipped.source(calibration.facts), fit).fit_readout()
    return readout, type(calibration.detector).fit(samples)
