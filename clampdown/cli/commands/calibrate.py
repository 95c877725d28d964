"""`clampdown calibrate`."""

from dataclasses import asdict
from pathlib import Path

import click

from clampdown.cli.options import (
    PATH,
    clean_option,
    example,
    fit_options,
    json_option,
    pickle_option,
    row_format_options,
)
from clampdown.cli.output import echo_facts, echo_json
from clampdown.cli.progress import terminal_progress
from clampdown.cli.warnings_on_stderr import warnings_on_stderr
from clampdown.extras import needs_extra
from clampdown_calib import FitOptions
from clampdown_runtime.rows.row_format import RowFormat


@click.command(
    short_help="Fit a defence on clean rows.",
    epilog=example("clampdown calibrate my-model --clean clean.csv --out my-calibration"),
)
@click.argument("model")
@clean_option
@row_format_options
@click.option(
    "--out", type=PATH, required=True, metavar="DIR", help="A new or empty folder to write."
)
@fit_options
@pickle_option
@json_option
@needs_extra("calibrate")
def calibrate(
    *,
    model: str,
    clean: Path,
    row_format: RowFormat,
    out: Path,
    fitting: FitOptions,
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Fit the probes or, with badacts, the neuron states and intervals of MODEL on clean rows.

    MODEL is a local Hugging Face folder, a hub id, or a folder with an ONNX classifier or a LoRA
    adapter. The result belongs to the graph of this model in this precision: `clampdown export`
    refuses it for another one.
    """
    from clampdown_calib import calibrate as calibrate_model  # noqa: PLC0415 - imports torch

    with warnings_on_stderr(), terminal_progress() as progress:
        calibration = calibrate_model(
            model,
            clean,
            out,
            row_format=row_format,
            **asdict(fitting),
            allow_pickle=allow_pickle,
            progress=progress,
        )
    facts = {"calibration": str(out), **calibration.summary()}
    (echo_json if as_json else echo_facts)(facts)
