"""`clampdown defend`."""

from pathlib import Path

import click

from clampdown.cli.options import (
    PATH,
    clean_option,
    example,
    exporter_option,
    fit_options,
    format_option,
    json_option,
    mode_option,
    pickle_option,
    tokenizer_option,
)
from clampdown.cli.output import echo_facts, echo_json
from clampdown.cli.progress import terminal_progress
from clampdown.defend import Exporter, FileFormat, Method
from clampdown.defend import defend as defend_model
from clampdown_runtime.manifest import Mode, Precision, Representation


@click.command(
    short_help="Calibrate and export in one go.",
    epilog=example("clampdown defend my-model --clean clean.csv --out my-bundle"),
)
@click.argument("model")
@clean_option
@click.option(
    "--out", type=PATH, required=True, metavar="BUNDLE", help="A new or empty folder to write."
)
@mode_option
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    help="Of the graph's weights; int8 is dynamic quantization.",
)
@format_option
@tokenizer_option
@fit_options
@pickle_option
@exporter_option
@json_option
def defend(
    *,
    model: str,
    clean: Path,
    out: Path,
    mode: Mode,
    precision: Precision,
    file_format: FileFormat,
    with_tokenizer: bool,
    method: Method,
    layers: tuple[str, ...] | None,
    representation: Representation | None,
    frr: float,
    epochs: int | None,
    seed: int,
    allow_pickle: bool,
    exporter: Exporter,
    as_json: bool,
) -> None:
    """Turn MODEL into a bundle whose ONNX file defends itself.

    MODEL is a local Hugging Face folder, a hub id, or a folder with an ONNX classifier. The
    clean rows fit the defence and, held out of it in turn, set its threshold. The bundle is
    compared with the model, in fp16 and int8 with the lowered model, before it is written; when
    they disagree, none is.
    """
    with terminal_progress() as progress:
        result = defend_model(
            model,
            clean,
            out,
            mode=mode,
            precision=precision,
            file_format=file_format,
            with_tokenizer=with_tokenizer,
            method=method,
            layers=layers,
            representation=representation,
            frr=frr,
            epochs=epochs,
            seed=seed,
            allow_pickle=allow_pickle,
            exporter=exporter,
            progress=progress,
        )
    (echo_json if as_json else echo_facts)(result.summary())
