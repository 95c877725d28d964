"""Fits the defence again on the very graph that is deployed, where the calibrated one differs."""

import dataclasses

from clampdown_calib.activations import run_clean_rows
from clampdown_calib.artefact import Calibration
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.intervals import Intervals
from clampdown_calib.layer_votes import LayerVotes
from clampdown_calib.words import word_directions
from clampdown_exporter.defended_model import TracedModel


def refit(
    traced: TracedModel, calibration: Calibration, rows: EncodedRows, *, clip: Intervals | None
) -> Calibration:
    """Fit readout, detector and votes by running the graph itself; intervals stay as they are.

    Dynamic int8 moves every activation: with the statistics of the float32 model every clean row
    would be flagged.

    Args:
        traced: the graph before the passes.
        calibration: of the float32 model.
        rows: the clean rows that fit the defence.
        clip: in ``purify`` mode the intervals into which the only run is clipped: a layer's output
            before its own clip depends on the clips before it.
    """
    source = traced.source(calibration.facts, clip=clip)
    run = run_clean_rows(source, rows)
    readout, samples = run.fit_readout()
    purifier = calibration.purifier
    if isinstance(purifier, LayerVotes):
        purifier = run.fit_votes(word_directions(source, rows, len(calibration.facts.labels)))
    return dataclasses.replace(
        calibration,
        readout=readout,
        detector=type(calibration.detector).fit(samples),
        purifier=purifier,
    )
