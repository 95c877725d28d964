"""`clampdown run`."""

import dataclasses
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clampdown.cli.options import (
    PATH,
    bundle_argument,
    example,
    expect_option,
    json_option,
    provider_option,
)
from clampdown.cli.output import cell, echo_json, number, several_lines
from clampdown.cli.progress import terminal_progress
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import RowsError
from clampdown_runtime.progress import silent
from clampdown_runtime.rows.lines import bounded_lines
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.texts import require_text
from clampdown_runtime.sessions.providers import Provider

if TYPE_CHECKING:
    from clampdown_runtime.prediction import Prediction
    from clampdown_runtime.progress import Progress

_STDIN = Path("-")
_STEP = 256
"""Texts between two updates of the progress."""


@click.command(
    short_help="Classify texts with a bundle.",
    epilog=example(
        'clampdown run my-bundle "a fine film"',
        "clampdown run my-bundle --input reviews.csv > results.tsv",
        "clampdown run my-bundle --input - --json < lines.txt",
    ),
)
@bundle_argument
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--input",
    "file",
    type=PATH,
    metavar="FILE",
    help="Rows with `text`: .csv, .jsonl or .parquet, of any size; - for lines of standard input.",
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
    provider: Provider,
    cuda_graphs: bool,
    time_limit: float | None,
    expected_digest: str | None,
    as_json: bool,
) -> None:
    """Classify each TEXT, or each row of a file, with BUNDLE.

    Prints one line per text, separated by tabs: label, probability (0 to 1), anomaly score
    (high = abnormal), flagged (true or false), and the text with unprintable characters escaped;
    a label or text that a spreadsheet would take for a formula has a ' before it.
    With --json one object per line: label, probability, anomaly_score, flagged and logits.
    """
    if bool(texts) == (file is not None):
        raise click.UsageError("Give texts or --input, one of the two.")
    classifier = DefendedClassifier.load(
        bundle,
        provider=provider,
        cuda_graphs=cuda_graphs,
        time_limit=time_limit,
        expected_digest=expected_digest,
    )
    source = _texts(texts, file)
    with _warnings_on_stderr(), _progress(shown=file is not None) as progress:
        for count, (text, prediction) in enumerate(_classified(classifier, source), 1):
            if as_json:
                echo_json(dataclasses.asdict(prediction))
            else:
                click.echo(_line(text, prediction))
            if count % _STEP == 0:
                progress("Classifying", count, 0)


def _texts(texts: Sequence[str], file: Path | None) -> Iterator[str]:
    if file is None:
        return iter(texts)
    if file == _STDIN:
        return _lines()
    return (row.text for row in read_rows(file))


def _lines() -> Iterator[str]:
    for index, line in enumerate(bounded_lines(sys.stdin.buffer, "standard input"), 1):
        where = f"standard input, line {index}"
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise RowsError(
                where,
                found=f"bytes that are not UTF-8 ({error.reason})",
                expected="UTF-8",
                hint="Convert the text to UTF-8.",
            ) from error
        yield require_text(text, where)


def _classified(
    classifier: DefendedClassifier, texts: Iterator[str]
) -> "Iterator[tuple[str, Prediction]]":
    """Pairs each prediction with its text, holding only the texts that are under way."""
    under_way: deque[str] = deque()

    def noted() -> Iterator[str]:
        for text in texts:
            under_way.append(text)
            yield text

    for prediction in classifier.stream(noted()):
        yield under_way.popleft(), prediction


def _line(text: str, prediction: "Prediction") -> str:
    return "\t".join(
        (
            cell(prediction.label),
            number(prediction.probability, 4),
            number(prediction.anomaly_score, 4),
            str(prediction.flagged).lower(),
            cell(text),
        )
    )


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """Show a warning as one line, without the place in the code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: click.echo(
            f"warning: {several_lines(str(message))}", err=True
        )
        yield


@contextmanager
def _progress(*, shown: bool) -> "Iterator[Progress]":
    """A count of the texts, unless the results themselves are seen to arrive."""
    if not shown or sys.stdout.isatty():
        yield silent
        return
    with terminal_progress() as progress:
        yield progress
