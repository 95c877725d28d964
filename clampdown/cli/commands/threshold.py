"""`clampdown threshold`."""

from pathlib import Path

import click

from clampdown.cli.options import bundle_argument, example, expect_option, json_option
from clampdown.cli.output import echo_facts, echo_json
from clampdown.extras import needs_extra
from clampdown_runtime.bundle.files import open_manifest


@click.command(
    short_help="Move the threshold of a bundle.",
    epilog=example("clampdown threshold my-bundle --frr 0.05"),
)
@bundle_argument
@click.option(
    "--frr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="The share of clean rows that may be flagged, 0 to 1.",
)
@click.option("--value", type=float, metavar="SCORE", help="The anomaly score itself.")
@expect_option
@json_option
@needs_extra("threshold")
def threshold(
    bundle: Path,
    frr: float | None,
    value: float | None,
    expected_digest: str | None,
    as_json: bool,
) -> None:
    """Move the threshold of BUNDLE to a false rejection rate or to a value.

    Nothing is fitted again: the clean scores that the bundle keeps say which threshold holds a
    rate. Golden rows, report and digests follow; a signature does not, and is left out.
    """
    if (frr is None) == (value is None):
        raise click.UsageError("Give --frr or --value, one of the two.")
    from clampdown_exporter import move_threshold  # noqa: PLC0415 - imports torch

    manifest = move_threshold(bundle, frr=frr, value=value, expected_digest=expected_digest)
    facts = {
        "threshold": manifest.threshold,
        "frr": manifest.frr,
        "frr_measured": manifest.frr_measured,
        "digest": open_manifest(bundle).digest,
    }
    (echo_json if as_json else echo_facts)(facts)
