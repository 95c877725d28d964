"""`clampdown export`."""

from dataclasses import asdict
from pathlib import Path

import click

from clampdown.cli.options import PATH, bundle_options, example, json_option, pickle_option
from clampdown.cli.output import echo_facts, echo_json
from clampdown.cli.progress import terminal_progress
from clampdown.extras import needs_extra
from clampdown_exporter import ExportOptions


@click.command(
    short_help="Write a bundle from a model and its calibration.",
    epilog=example("clampdown export my-model --calibration my-calibration --out my-bundle"),
)
@click.argument("model")
@click.option(
    "--calibration",
    type=PATH,
    required=True,
    metavar="DIR",
    help="The folder that `clampdown calibrate` wrote for this model.",
)
@click.option(
    "--out", type=PATH, required=True, metavar="BUNDLE", help="A new or empty folder to write."
)
@bundle_options
@pickle_option
@json_option
@needs_extra("export")
def export(
    *,
    model: str,
    calibration: Path,
    out: Path,
    exporting: ExportOptions,
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Rewrite MODEL into one ONNX file that defends itself, and write the bundle.

    The precision is the calibration's. The file is compared with the model, in fp16 and int8 with
    the lowered model, on clean rows, and the largest difference of their logits and scores is
    printed; when they disagree, no bundle is written.
    """
    from clampdown_exporter import export as export_bundle  # noqa: PLC0415 - imports torch

    with terminal_progress() as progress:
        result = export_bundle(
            model,
            calibration,
            out,
            **asdict(exporting),
            allow_pickle=allow_pickle,
            progress=progress,
        )
    (echo_json if as_json else echo_facts)(result.summary())
