"""`clampdown run`."""

import codecs
import dataclasses
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clampdown.cli.options import (
    PATH,
    ROW_FILES,
    bundle_argument,
    delimiter_option,
    example,
    expect_option,
    json_option,
    provider_option,
    text_column_option,
    text_pair_column_option,
)
from clampdown.cli.output import cell, echo_json, number
from clampdown.cli.progress import terminal_progress
from clampdown.cli.text_argument import TEXT
from clampdown.cli.warnings_on_stderr import warnings_on_stderr
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import RowsError
from clampdown_runtime.progress import silent
from clampdown_runtime.rows.csv_rows import BAR
from clampdown_runtime.rows.lines import bounded_lines
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.row_format import RowFormat
from clampdown_runtime.rows.texts import (
    Text,
    require_text,
    require_text_or_pair,
    text_or_pair,
)
from clampdown_runtime.sessions.providers import Provider

if TYPE_CHECKING:
    from clampdown_runtime.prediction import Prediction
    from clampdown_runtime.progress import Progress

_STDIN = Path("-")
_TEXTS = RowFormat(label=None)
"""Of a file whose labels are not asked for."""

_STEP = 256
"""Texts between two updates of the progress."""


@click.command(
    short_help="Classify texts with a bundle.",
    epilog=example(
        'clampdown run my-bundle "a fine film"',
        "clampdown run my-bundle --input reviews.csv > results.tsv",
        "clampdown run my-bundle --input reviews.tsv.gz --text-column review --all-probabilities",
        "clampdown run my-bundle --input - --json < lines.txt",
        "clampdown run my-bundle --input nli.csv --text-column first --text-pair-column second",
        "clampdown run my-bundle --input articles.jsonl --window 512 --stride 256",
    ),
)
@bundle_argument
@click.argument("texts", nargs=-1, type=TEXT, metavar="[TEXT]...")
@click.option(
    "--input",
    "file",
    type=PATH,
    metavar="FILE",
    help=f"Rows with `text`, and `text_pair` where the model reads pairs, of any size: "
    f"{ROW_FILES}; - for lines of standard input, without the blank ones.",
)
@text_column_option
@text_pair_column_option
@delimiter_option
@click.option(
    "--all-probabilities",
    is_flag=True,
    show_default=False,
    help="Give the probability of every class.",
)
@click.option(
    "--window",
    "size",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Read texts of any length in windows of so many tokens: probabilities are their mean, the "
    "score is the highest, and a text is flagged where a window is.",
)
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="From one window to the next.  [default: half a window]",
)
@provider_option
@click.option(
    "--cuda-graphs",
    is_flag=True,
    show_default=False,
    help="With the provider cuda: replay each batch as one launch, padded to a power of two rows "
    "and tokens. Faster for few rows; each new shape is captured first.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="End a run of one batch that takes longer, before the graph's next operator.",
)
@expect_option
@json_option
def run(
    *,
    bundle: Path,
    texts: tuple[str, ...],
    file: Path | None,
    text: str,
    text_pair: str,
    delimiter: str | None,
    all_probabilities: bool,
    size: int | None,
    stride: int | None,
    provider: Provider,
    cuda_graphs: bool,
    time_limit: float | None,
    expected_digest: str | None,
    as_json: bool,
) -> None:
    """Classify each TEXT, or each row of a file, with BUNDLE.

    Prints one line per text, separated by tabs: label, probability (0 to 1), anomaly score
    (high = abnormal), flagged (true or false), and the text, of a pair both in two columns, with
    unprintable characters escaped; a label or text that a spreadsheet would take for a formula has
    a ' before it.
    With --json one object per line: label, probability, anomaly_score, flagged, logits, and,
    where the graph gives them, undefended_label and undefended_logits, what the model says without
    the defence (of many labels undefended_labels, too).
    Of a model of many labels the first two columns hold the labels that the text has, and their
    probabilities, with | between them, and nothing where it has none; with --json label is the most
    probable one, whether the text has it or not, and `labels` lists those that it has.
    --all-probabilities adds a column label=probability behind the text for every class, or to the
    object `probabilities` by label.
    """
    if bool(texts) == (file is not None):
        raise click.UsageError("Give texts or --input, one of the two.")
    if stride is not None and size is None:
        raise click.UsageError("Give --stride with --window.")
    row_format = RowFormat(text, None, delimiter, text_pair)
    if file in (None, _STDIN) and row_format != _TEXTS:
        raise click.UsageError(
            "Give --text-column, --text-pair-column and --delimiter with --input and a file."
        )
    classifier = DefendedClassifier.load(
        bundle,
        provider=provider,
        cuda_graphs=cuda_graphs,
        time_limit=time_limit,
        expected_digest=expected_digest,
    )
    source = _texts(texts, file, row_format, pairs=classifier.manifest.text_pair)
    names = classifier.manifest.labels
    labels = names if all_probabilities else ()
    classify = (
        classifier.stream
        if size is None
        else partial(classifier.documents, size=size, stride=stride)
    )
    with warnings_on_stderr(), _progress(shown=file is not None) as progress:
        for count, (classified, prediction) in enumerate(_classified(classify, source), 1):
            of_labels = dict(zip(labels, prediction.probabilities, strict=True)) if labels else {}
            if as_json:
                more = {"probabilities": of_labels} if labels else {}
                echo_json({**_fields(prediction), **more})
            else:
                click.echo(_line(classified, prediction, of_labels, _answer(prediction, names)))
            if count % _STEP == 0:
                progress("Classifying", count, 0)


def _texts(
    texts: Sequence[str], file: Path | None, row_format: RowFormat, *, pairs: bool
) -> Iterator[Text]:
    if file in (None, _STDIN):
        if pairs:
            raise RowsError(
                "standard input" if file else "The texts",
                found="single texts",
                expected="pairs of texts, which this bundle's model reads",
                hint="Pass --input with a file of rows that have `text` and `text_pair`.",
            )
        return _lines() if file else iter(texts)
    return _rows(file, row_format, pairs=pairs)


def _rows(file: Path, row_format: RowFormat, *, pairs: bool) -> Iterator[Text]:
    for row in read_rows(file, row_format):
        given = text_or_pair(row.text, row.text_pair)
        yield require_text_or_pair(given, f"{file}, line {row.line}", pairs=pairs)


def _lines() -> Iterator[str]:
    blank = 0
    for index, line in enumerate(bounded_lines(sys.stdin.buffer, "standard input"), 1):
        where = f"standard input, line {index}"
        try:
            text = line.removeprefix(codecs.BOM_UTF8 if index == 1 else b"").decode()
        except UnicodeDecodeError as error:
            raise RowsError(
                where,
                found=f"bytes that are not UTF-8 ({error.reason})",
                expected="UTF-8",
                hint="Convert the text to UTF-8.",
            ) from error
        if text.strip():
            yield require_text(text.rstrip("\r\n"), where)
        else:
            blank += 1
    if blank:
        lines = "line" if blank == 1 else "lines"
        click.echo(f"note: left out {blank} blank {lines} of standard input", err=True)


def _classified(
    classify: "Callable[[Iterator[Text]], Iterator[Prediction]]", texts: Iterator[Text]
) -> "Iterator[tuple[Text, Prediction]]":
    """Pairs each prediction with its text, holding only the texts that are under way."""
    under_way: deque[Text] = deque()

    def noted() -> Iterator[Text]:
        for text in texts:
            under_way.append(text)
            yield text

    for prediction in classify(noted()):
        yield under_way.popleft(), prediction


def _fields(prediction: "Prediction") -> dict[str, object]:
    fields = dataclasses.asdict(prediction)
    # None are those of another kind of model, and what the graph does not say.
    return {name: value for name, value in fields.items() if value is not None}


def _answer(prediction: "Prediction", names: Sequence[str]) -> Mapping[str, float]:
    """The label, or all that the text has, with their probabilities."""
    if prediction.labels is None:
        return {prediction.label: prediction.probability}
    every = dict(zip(names, prediction.probabilities, strict=True))
    return {label: every[label] for label in prediction.labels}


def _line(
    text: Text,
    prediction: "Prediction",
    of_labels: Mapping[str, float],
    answer: Mapping[str, float],
) -> str:
    return "\t".join(
        (
            cell(BAR.join(answer)),
            BAR.join(number(probability, 4) for probability in answer.values()),
            number(prediction.anomaly_score, 4),
            str(prediction.flagged).lower(),
            *map(cell, (text,) if isinstance(text, str) else text),
            *(cell(f"{label}={number(p, 4)}") for label, p in of_labels.items()),
        )
    )


@contextmanager
def _progress(*, shown: bool) -> "Iterator[Progress]":
    """A count of the texts, unless the results themselves are seen to arrive."""
    if not shown or sys.stdout.isatty():
        yield silent
        return
    with terminal_progress() as progress:
        yield progress
