"""The options that several commands share."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Option = Callable[[Function], Function]

PATH = click.Path(path_type=Path)


def _layers(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise click.BadParameter("give names that are separated by single commas")
    return names


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """One decorator that adds options in the order in which the help lists them."""
    return lambda function: reduce(lambda done, option: option(done), reversed(options), function)


bundle_argument = click.argument("bundle", type=PATH)

json_option = click.option(
    "--json", "as_json", is_flag=True, show_default=False, help="Print JSON instead of text."
)

provider_option = click.option(
    "--provider",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="Where the model runs; never replaced by another, though nodes it lacks run on the CPU.",
)

clean_option = click.option(
    "--clean",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Rows without a trigger: .csv, .jsonl or .parquet with `text` and, if known, `label`.",
)

fit_options = together(
    click.option(
        "--method",
        type=click.Choice(["probe", "badacts"]),
        default="probe",
        help="probe holds the model's answer against what its earlier layers say; badacts is the "
        "published method, with neuron states and intervals, and needs a checkpoint.",
    ),
    click.option(
        "--layers",
        callback=_layers,
        metavar="NAME,...",
        help="Modules whose outputs are defended.  [default: every encoder block]",
    ),
    click.option(
        "--representation",
        type=click.Choice(["first", "last"]),
        help="The token that the detector of badacts reads.  [default: the architecture's own]",
    ),
    click.option(
        "--frr",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.1,
        metavar="SHARE",
        help="False rejection rate: the share of clean rows that may be flagged, 0 to 1.",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        help="Passes over the clean rows to fit the intervals of badacts.  [default: 50]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        help="Of the halves and the batches of badacts; probes take none.",
    ),
)

mode_option = click.option(
    "--mode",
    type=click.Choice(["detect-then-purify", "purify", "detect"]),
    default="detect-then-purify",
    help="Purify flagged rows, purify every row, or flag only.",
)

precision_option = click.option(
    "--precision",
    "precisions",
    type=click.Choice(["fp32", "fp16", "int8"]),
    multiple=True,
    default=["fp32"],
    help="Of the graph's weights; int8 is dynamic quantization. Give it several times for one "
    "bundle each, in folders of these names.",
)

format_option = click.option(
    "--format",
    "file_format",
    type=click.Choice(["onnx", "ort"]),
    default="onnx",
    help="ort writes the graph in ONNX Runtime's format, too, with the required-operators "
    "configuration of a minimal build.",
)

tokenizer_option = click.option(
    "--with-tokenizer",
    is_flag=True,
    show_default=False,
    help="Write the graph with the tokenizer in front, too: text in, label out. It runs with the "
    "operators of onnxruntime-extensions.",
)

exporter_option = click.option(
    "--exporter",
    type=click.Choice(["torch", "optimum"]),
    default="torch",
    help="What traces the model to ONNX.",
)

pickle_option = click.option(
    "--allow-pickle",
    is_flag=True,
    show_default=False,
    help="Accept a pickled checkpoint; it is loaded with weights_only.",
)


def example(*lines: str) -> str:
    """An epilog that shows commands as they are typed."""
    # \b keeps click from joining the lines.
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))
