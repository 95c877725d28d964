"""`clampdown bench`."""

import dataclasses
from pathlib import Path

import click

from clampdown.cli.options import (
    bundle_argument,
    example,
    expect_option,
    json_option,
    provider_option,
)
from clampdown.cli.output import echo_facts, echo_json, echo_table, number
from clampdown.cli.progress import terminal_progress
from clampdown.measure.bench import Benchmark
from clampdown.measure.bench import bench as bench_bundle
from clampdown_runtime.sessions.providers import Provider

_POSITIVE = click.IntRange(min=1)


@click.command(
    short_help="Latency, throughput and memory as ratios.",
    epilog=example("clampdown bench my-bundle --threads 1 --batch-size 1 --repeats 30"),
)
@bundle_argument
@provider_option
@click.option(
    "--threads", type=_POSITIVE, multiple=True, default=(1, 2), help="May be given repeatedly."
)
@click.option(
    "--batch-size",
    "batch_sizes",
    type=_POSITIVE,
    multiple=True,
    default=(1, 8),
    help="Rows in one run; may be given repeatedly.",
)
@click.option(
    "--length",
    "lengths",
    type=_POSITIVE,
    multiple=True,
    help="Tokens in each row; may be given repeatedly.  [default: 32, 128, at most the bundle's]",
)
@click.option(
    "--repeats",
    type=_POSITIVE,
    default=10,
    help="Pairs of runs that each ratio is the median of.",
)
@expect_option
@json_option
def bench(
    *,
    bundle: Path,
    provider: Provider,
    threads: tuple[int, ...],
    batch_sizes: tuple[int, ...],
    lengths: tuple[int, ...],
    repeats: int,
    expected_digest: str | None,
    as_json: bool,
) -> None:
    """Measure BUNDLE against its undefended model, in turn in one run.

    Ratios are defended over undefended: below 1.00 the defended one is faster or smaller.
    `clean` is the expected ratio when rows are flagged at the bundle's measured false rejection
    rate. Memory is the growth of the resident memory of fresh processes with every row flagged.
    """
    with terminal_progress() as progress:
        result = bench_bundle(
            bundle,
            provider=provider,
            threads=threads,
            batch_sizes=batch_sizes,
            lengths=lengths or None,
            repeats=repeats,
            expected_digest=expected_digest,
            progress=progress,
        )
    if as_json:
        echo_json(dataclasses.asdict(result))
    else:
        _echo(result)


def _echo(result: Benchmark) -> None:
    echo_table(
        (
            "threads",
            "batch",
            "length",
            "undefended ms",
            "unflagged",
            "flagged",
            "clean",
            "undefended rows/s",
            "unflagged rows/s",
        ),
        [
            (
                str(row.threads),
                str(row.batch_size),
                str(row.length),
                number(row.undefended_ms, 2),
                number(row.unflagged_ratio, 2),
                number(row.flagged_ratio, 2),
                number(row.clean_ratio, 2),
                number(row.undefended_rows_per_second),
                number(row.unflagged_rows_per_second),
            )
            for row in result.rows
        ],
    )
    click.echo()
    echo_facts(
        {
            "memory": number(result.memory_ratio, 2),
            "file size": number(result.file_ratio, 3),
            "FRR of clean": f"{100 * result.frr:.1f} %",
        }
    )
