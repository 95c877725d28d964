"""`clampdown monitor`."""

from collections.abc import Iterator
from pathlib import Path

import click

from clampdown.cli.options import PATH, bundle_argument, example, expect_option, json_option
from clampdown.cli.output import echo_facts, echo_json, echo_table
from clampdown.extras import needs_extra
from clampdown.monitoring.read_log import read_log
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.monitor import Snapshot, Verdict, clean_changed, judge
from clampdown_runtime.writing.working_folder import working_folder


@click.command(
    short_help="Say whether the traffic changed.",
    epilog=example(
        "clampdown run my-bundle --input today.csv --json >> log.jsonl",
        "clampdown monitor my-bundle log.jsonl --out monitor.html",
    ),
)
@bundle_argument
@click.argument("log", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", help="Write an HTML page of it, too.")
@expect_option
@json_option
@needs_extra("monitor --out", "monitor")
def monitor(
    bundle: Path, log: Path, out: Path | None, expected_digest: str | None, as_json: bool
) -> None:
    """Hold LOG against the clean rows of BUNDLE, to see whether the traffic changed.

    LOG is what `clampdown run --json` prints, one prediction on each line in the order of time; no
    text is in it. Exits with status 1 on an alarm, and says whether the scores moved over the whole
    range (calibrate again) or more rows lie high while the others are as they were (look at those).

    How unusual texts are is not measured: an alarm is about anomaly scores alone. Without a change
    there is an alarm in one of twenty logs at most, however long they are.
    """
    opened = open_bundle(bundle, expected_digest=expected_digest)
    periods = list(read_log(log, opened))
    verdict, total = judge(periods), sum(periods[1:], periods[0])
    of_clean = clean_changed(opened) if total.compared else None
    if out is not None:
        from clampdown.monitoring.page import render_page  # noqa: PLC0415 - imports jinja2

        page = render_page(opened.manifest, opened.digest, periods, verdict, of_clean)
        with working_folder(out) as place:
            (place / out.name).write_text(page, "utf-8")
            (place / out.name).replace(out)
    if as_json:
        echo_json(_facts(verdict, total, of_clean))
    else:
        _echo(verdict, total, of_clean)
    if verdict.alarm:
        click.get_current_context().exit(1)


def _facts(verdict: Verdict, total: Snapshot, of_clean: float | None) -> dict[str, object]:
    return {
        "change": verdict.change,
        "since": verdict.since if verdict.alarm else None,
        "advice": verdict.advice,
        "rows": sum(total.rows),
        "flagged": sum(total.flagged),
        "beyond": sum(total.beyond),
        "compared": total.compared,
        "changed": sum(total.changed) if total.compared else None,
        "clean_changed": of_clean,
        "label": verdict.label,
        "labels": {
            label: dict(zip(("rows", "flagged", "beyond", "changed"), counts, strict=True))
            for label, *counts in _by_label(total)
        },
    }


def _echo(verdict: Verdict, total: Snapshot, of_clean: float | None) -> None:
    echo_table(
        ("label", "rows", "flagged", "over every clean score", "changed"),
        [
            (label, *("-" if count is None else str(count) for count in counts))
            for label, *counts in _by_label(total)
        ],
    )
    click.echo()
    rows, scale = sum(total.rows), total.scale
    clean = sum(scale.clean[scale.threshold + 1 :]) / sum(scale.clean)
    facts: dict[str, object] = {
        "flagged": f"{sum(total.flagged) / rows:.1%}, of clean rows {clean:.1%}",
        "over every clean score": f"{sum(total.beyond) / rows:.2%}, of clean rows one in "
        f"{sum(scale.clean) + 1}",
        "changed answers": "not known"
        if of_clean is None
        else f"{sum(total.changed) / total.compared:.1%}, of clean rows {of_clean:.1%}",
        "change": {"none": "none", "flags": "more high rows", "scores": "all scores"}[
            verdict.change
        ],
    }
    if verdict.alarm:
        facts["since about row"] = verdict.since + 1
    echo_facts({**facts, "advice": verdict.advice})


def _by_label(total: Snapshot) -> Iterator[tuple[str, int, int, int, int | None]]:
    changed = total.changed if total.compared else (None,) * len(total.labels)
    return zip(total.labels, total.rows, total.flagged, total.beyond, changed, strict=True)
