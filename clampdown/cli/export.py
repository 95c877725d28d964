"""`clampdown export`."""

from pathlib import Path

import click

from clampdown.cli.options import (
    PATH,
    example,
    exporter_option,
    format_option,
    json_option,
    mode_option,
    pickle_option,
    precision_option,
    tokenizer_option,
)
from clampdown.cli.output import echo_facts, echo_json
from clampdown.cli.progress import terminal_progress
from clampdown.defend import Exporter, FileFormat
from clampdown.extras import needs_extra
from clampdown_runtime.manifest import Mode, Precision
from clampdown_runtime.staging import staged_folder


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
@mode_option
@precision_option
@format_option
@tokenizer_option
@pickle_option
@exporter_option
@json_option
@needs_extra("export")
def export(
    *,
    model: str,
    calibration: Path,
    out: Path,
    mode: Mode,
    precisions: tuple[Precision, ...],
    file_format: FileFormat,
    with_tokenizer: bool,
    allow_pickle: bool,
    exporter: Exporter,
    as_json: bool,
) -> None:
    """Rewrite MODEL into one ONNX file that defends itself, and write the bundle.

    The file is compared with the model, in fp16 and int8 with the lowered model, on clean rows, and
    the largest difference of their logits and scores is printed; when they disagree, no bundle is
    written.
    """
    from clampdown_exporter import export as export_bundle  # noqa: PLC0415 - imports torch

    def write(precision: Precision, bundle: Path) -> dict[str, object]:
        return export_bundle(
            model,
            calibration,
            bundle,
            mode=mode,
            precision=precision,
            file_format=file_format,
            with_tokenizer=with_tokenizer,
            exporter=exporter,
            allow_pickle=allow_pickle,
            progress=progress,
        ).summary()

    chosen = list(dict.fromkeys(precisions))
    with terminal_progress() as progress:
        if len(chosen) == 1:
            made = [write(chosen[0], out)]
        else:
            # All of them or none: what is left of half of them would be in the way of a second try.
            with staged_folder(out) as place:
                made = [
                    {**write(precision, place / precision), "bundle": str(out / precision)}
                    for precision in chosen
                ]
    if as_json:
        echo_json(made if len(made) > 1 else made[0])
        return
    for facts in made:
        echo_facts(facts)
