"""`clampdown verify`."""

from pathlib import Path

import click

from clampdown.cli.options import (
    bundle_argument,
    example,
    expect_option,
    json_option,
    provider_option,
)
from clampdown.cli.output import echo_json, one_line
from clampdown.extras import needs_extra
from clampdown_runtime.sessions.providers import Provider


@click.command(
    short_help="Check digests, contract and golden rows.",
    epilog=example("clampdown verify my-bundle"),
)
@bundle_argument
@provider_option
@expect_option
@json_option
@needs_extra("verify")
def verify(bundle: Path, provider: Provider, expected_digest: str | None, as_json: bool) -> None:
    """Check that BUNDLE is whole, keeps the graph contract and answers its golden rows.

    The rows are run again with layers and logits that overflow: all have to be flagged then.

    Prints what differs, one line each, beginning with the file, and exits with status 1 when
    anything does.
    """
    from clampdown_exporter import verify as verify_bundle  # noqa: PLC0415 - imports torch

    differences = verify_bundle(bundle, provider=provider, expected_digest=expected_digest)
    if as_json:
        echo_json({"bundle": str(bundle), "valid": not differences, "differences": differences})
    else:
        for line in differences or [f"{bundle}: no differences"]:
            click.echo(one_line(line))
    if differences:
        click.get_current_context().exit(1)
