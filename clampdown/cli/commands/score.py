"""`clampdown score`."""

import dataclasses
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clampdown.cli.options import (
    bundle_argument,
    example,
    expect_option,
    json_option,
    provider_option,
    text_column_option,
    text_pair_column_option,
)
from clampdown.cli.output import echo_facts, echo_json, number
from clampdown.cli.progress import terminal_progress
from clampdown.cli.text_argument import TEXT
from clampdown.cli.warnings_on_stderr import warnings_on_stderr
from clampdown.extras import needs_extra
from clampdown_runtime.sessions.providers import Provider

if TYPE_CHECKING:
    from clampdown.score.run_score import Engine
    from clampdown.score.summary import Summary

_POSITIVE = click.IntRange(min=1)


@click.command(
    short_help="Score folders of Parquet files.",
    epilog=example(
        "clampdown score my-bundle --input 'reviews/*.parquet' --out scored",
        "clampdown score my-bundle --input 'days/**/*.parquet' --out scored --columns id \\",
        "    --engine ray --workers 8",
        "clampdown score my-bundle --input 's3://bucket/rows/*.parquet' --out s3://bucket/scored",
    ),
)
@bundle_argument
@click.option(
    "--input",
    "pattern",
    required=True,
    metavar="PATTERN",
    help="Parquet files: a path or URI with *, ? or **, in quotes.",
)
@click.option(
    "--out",
    # Not a Path, which makes one slash of the two of a URI.
    type=click.Path(),
    required=True,
    metavar="DIR",
    help="A new folder, or that of a run that was ended, which continues: a path or URI.",
)
@text_column_option
@text_pair_column_option
@click.option(
    "--columns",
    type=TEXT,
    metavar="NAME,...",
    help="The input's columns to keep beside the results.  [default: all]",
)
@click.option(
    "--threshold",
    type=float,
    metavar="SCORE",
    help="Flag rows by it.  [default: the bundle's own]",
)
@click.option(
    "--all-probabilities",
    is_flag=True,
    show_default=False,
    help="Add the probability of every class.",
)
@click.option(
    "--engine",
    type=click.Choice(("process", "ray")),
    default="process",
    help="This process alone, or actors of Ray, on the cluster of RAY_ADDRESS or this machine.",
)
@click.option(
    "--workers",
    type=_POSITIVE,
    help="Actors of Ray.  [default: as many as the cluster has room for]",
)
@click.option(
    "--threads",
    type=_POSITIVE,
    help="Of one operator; with Ray the CPUs of an actor, by default 1.",
)
@click.option(
    "--batch-size",
    type=_POSITIVE,
    default=32,
    help="The most rows in one run of the model; an H100 was twice as fast with 512.",
)
@provider_option
@expect_option
@json_option
@needs_extra("score", "parquet")
def score(
    *,
    bundle: Path,
    pattern: str,
    out: str,
    text: str,
    text_pair: str,
    columns: str | None,
    threshold: float | None,
    all_probabilities: bool,
    engine: "Engine",
    workers: int | None,
    threads: int | None,
    batch_size: int,
    provider: Provider,
    expected_digest: str | None,
    as_json: bool,
) -> None:
    """Score Parquet files with BUNDLE, in bounded memory, into a file of results for each.

    The results have the input's columns and label, probability, anomaly_score, flagged and
    undefended_label, which the model gives without the defence; of a model of many labels `labels`
    and `undefended_labels` list those that a text has, and label is the most probable one, whether
    it has it or not. A row without a text that can be classified (of a pair, without two)
    has none of these, but the reason as its `error`.

    Input and output are on this machine or, as URIs of s3://, gs://, abfs:// or hdfs://, in an
    object store, whose credentials, region and endpoint are those of the environment.

    A file of results is there whole or not at all. A run that was killed continues where it was
    when the command is given again; the folder takes no other bundle and no other options.

    Exit status: 0 done; 1 done, and some rows could not be classified; 2 not done.
    """
    if workers is not None and engine != "ray":
        raise click.UsageError("Give --workers with --engine ray.")
    from clampdown.score.options import ScoreOptions  # noqa: PLC0415
    from clampdown.score.places.place import place_of  # noqa: PLC0415
    from clampdown.score.run_score import score as score_files  # noqa: PLC0415 - imports pyarrow

    options = ScoreOptions(
        text,
        text_pair,
        None if columns is None else tuple(name.strip() for name in columns.split(",")),
        threshold,
        all_probabilities,
        provider,
    )
    # Ray hands on what its workers print; standard output belongs to the results.
    with warnings_on_stderr(), terminal_progress() as progress, redirect_stdout(sys.stderr):
        summary = score_files(
            bundle,
            pattern,
            place_of(out),
            options,
            engine=engine,
            threads=threads,
            workers=workers,
            batch_size=batch_size,
            expected_digest=expected_digest,
            progress=progress,
        )
    if as_json:
        echo_json(dataclasses.asdict(summary))
    else:
        echo_facts(_facts(summary))
    if summary.errors:
        click.get_current_context().exit(1)


def _facts(summary: "Summary") -> dict[str, object]:
    rate = None if summary.flag_rate is None else 100 * summary.flag_rate
    facts: dict[str, object] = {
        "rows": f"{summary.rows} in {summary.fragments} files",
        "labels": summary.labels,
        "flagged": f"{summary.flagged} ({number(rate, 2)}%)",
    }
    if summary.changed is not None and summary.clean_changed is not None:
        classified = summary.rows - sum(summary.errors.values())
        changed = number(100 * summary.changed / classified, 2)
        clean = number(100 * summary.clean_changed, 2)
        facts["answers changed"] = f"{summary.changed} ({changed}%; of clean rows {clean}%)"
    if summary.scores is not None:
        facts["scores up to"] = {
            "higher" if one.up_to is None else number(one.up_to, 2): one.rows
            for one in summary.scores
        }
    if summary.advice is not None:
        facts["traffic"] = summary.advice
    if summary.errors:
        count = sum(summary.errors.values())
        facts["not classified"] = f"{count}: " + ", ".join(
            f"{reason} {n}" for reason, n in summary.errors.items()
        )
    return facts
