"""`clampdown defend`."""

from dataclasses import asdict
from pathlib import Path

import click

from clampdown.cli.options import (
    PATH,
    bundle_options,
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
from clampdown.defend import defend as defend_model
from clampdown_calib import FitOptions
from clampdown_exporter import ExportOptions
from clampdown_runtime.rows.row_format import RowFormat


@click.command(
    short_help="Calibrate and export in one go.",
    epilog=example("clampdown defend my-model --clean clean.csv --out my-bundle"),
)
@click.argument("model")
@clean_option
@row_format_options
@click.option(
    "--out", type=PATH, required=True, metavar="BUNDLE", help="A new or empty folder to write."
)
@bundle_options
@fit_options
@pickle_option
@json_option
def defend(
    *,
    model: str,
    clean: Path,
    row_format: RowFormat,
    out: Path,
    exporting: ExportOptions,
    fitting: FitOptions,
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Turn MODEL into a bundle whose ONNX file defends itself.

    MODEL is a local Hugging Face folder, a hub id, or a folder with an ONNX classifier or a LoRA
    adapter. The clean rows fit the defence and, held out of it in turn, set its threshold. The
    bundle is compared with the model, in fp16 and int8 with the lowered model, before it is
    written; when they disagree, none is.
    """
    with warnings_on_stderr(), terminal_progress() as progress:
        result = defend_model(
            model,
            clean,
            out,
            row_format=row_format,
            **asdict(exporting),
            **asdict(fitting),
            allow_pickle=allow_pickle,
            progress=progress,
        )
    (echo_json if as_json else echo_facts)(result.summary())
