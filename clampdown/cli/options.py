"""The options that several commands share."""

from collections.abc import Callable
from dataclasses import fields
from functools import reduce, wraps
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from clampdown.cli.text_argument import TEXT
from clampdown_calib import Exporter, FitOptions, Method
from clampdown_exporter import ExportOptions, FileFormat
from clampdown_runtime.bundle.manifest import Mode, Precision, Representation
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.sessions.providers import Provider

Function = TypeVar("Function", bound=Callable[..., Any])
Option = Callable[[Function], Function]

PATH = click.Path(path_type=Path)
ROW_FILES = ".csv, .tsv, .json, .jsonl or .parquet"
FIT, EXPORT = FitOptions(), ExportOptions()


def _layers(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise click.BadParameter("give names that are separated by single commas")
    return names


def _delimiter(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    # A tab is hard to type.
    return "\t" if value == r"\t" else value


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """One decorator that adds options in the order in which the help lists them."""
    return lambda function: reduce(lambda done, option: option(done), reversed(options), function)


def collected(kind: type[Any], keyword: str, *options: Option[Function]) -> Option[Function]:
    """A decorator that adds options and hands their values over as one object.

    Args:
        kind: its dataclass, whose fields the options are named after; what has no option keeps its
            default.
        keyword: the function's parameter that takes it.
        options: in the order in which the help lists them.
    """

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(**given: Any) -> Any:  # noqa: ANN401 - as click calls it
            names = {field.name for field in fields(kind)} & set(given)
            chosen = {name: given.pop(name) for name in names}
            return function(**{keyword: kind(**chosen)}, **given)

        return together(*options)(command)  # type: ignore[arg-type]

    return decorate


bundle_argument = click.argument("bundle", type=PATH)

json_option = click.option(
    "--json", "as_json", is_flag=True, show_default=False, help="Print JSON instead of text."
)

provider_option = click.option(
    "--provider",
    type=click.Choice(get_args(Provider)),
    default="cpu",
    help="Where the model runs; never replaced by another, though nodes it lacks run on the CPU.",
)

expect_option = click.option(
    "--expect",
    "expected_digest",
    metavar="SHA256:...",
    help="Refuse any other bundle than the one whose manifest has this digest, which `clampdown "
    "inspect` prints.",
)


def certificates_option(help: str) -> Option[Any]:
    """Files with certificates between the key's own and the trusted one."""
    return click.option(
        "--certificate-chain", "chain", type=PATH, multiple=True, metavar="PEM", help=help
    )


clean_option = click.option(
    "--clean",
    type=PATH,
    required=True,
    metavar="FILE",
    help=f"Rows without a trigger: {ROW_FILES} with `text`, if the model reads "
    "pairs `text_pair`, and, if known, `label`.",
)

text_column_option = click.option(
    "--text-column",
    "text",
    type=TEXT,
    default=DEFAULT_FORMAT.text,
    metavar="NAME",
    help="The column of the texts in a file of rows, or their key.",
)

text_pair_column_option = click.option(
    "--text-pair-column",
    "text_pair",
    type=TEXT,
    default=DEFAULT_FORMAT.text_pair,
    metavar="NAME",
    help="That of the second texts, where the rows are pairs; any other than `text_pair` has to be "
    "there.",
)

delimiter_option = click.option(
    "--delimiter",
    type=TEXT,
    callback=_delimiter,
    metavar="CHARACTER",
    help=r"Between two cells of .csv and .tsv files.  [default: a comma, or a tab in .tsv]",
)

row_format_options = collected(
    RowFormat,
    "row_format",
    text_column_option,
    text_pair_column_option,
    click.option(
        "--label-column",
        "label",
        type=TEXT,
        default=DEFAULT_FORMAT.label,
        metavar="NAME",
        help="The column of the labels; any other than `label` has to be there.",
    ),
    delimiter_option,
)

fit_options = collected(
    FitOptions,
    "fitting",
    click.option(
        "--method",
        type=click.Choice(get_args(Method)),
        default=FIT.method,
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
        type=click.Choice(get_args(Representation)),
        help="The token that the detector of badacts reads.  [default: the architecture's own]",
    ),
    click.option(
        "--frr",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=FIT.frr,
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
        default=FIT.seed,
        help="Of the halves and the batches of badacts; probes take none.",
    ),
    click.option(
        "--precision",
        type=click.Choice(get_args(Precision)),
        default=FIT.precision,
        help="Of the graph; int8 is dynamic quantization, those for cuda have operators fused for "
        "NVIDIA GPUs.",
    ),
    click.option(
        "--exporter",
        type=click.Choice(get_args(Exporter)),
        default=FIT.exporter,
        help="What traces the model to ONNX.",
    ),
    click.option(
        "--provider",
        type=click.Choice(get_args(Provider)),
        default=FIT.provider,
        help="What runs the clean rows through the graph.",
    ),
)

bundle_options = collected(
    ExportOptions,
    "exporting",
    click.option(
        "--mode",
        type=click.Choice(get_args(Mode)),
        default=EXPORT.mode,
        help="Purify flagged rows, purify every row, or flag only.",
    ),
    click.option(
        "--format",
        "file_format",
        type=click.Choice(get_args(FileFormat)),
        default=EXPORT.file_format,
        help="ort writes the graph in ONNX Runtime's format, too, with the required-operators "
        "configuration of a minimal build.",
    ),
    click.option(
        "--with-tokenizer",
        is_flag=True,
        show_default=False,
        help="Write the graph with the tokenizer in front, too: text in, label out. It runs with "
        "the operators of onnxruntime-extensions.",
    ),
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
