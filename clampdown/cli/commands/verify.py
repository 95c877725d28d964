"""`clampdown verify`."""

from pathlib import Path

import click

from clampdown.cli.options import (
    PATH,
    bundle_argument,
    certificates_option,
    example,
    expect_option,
    json_option,
    provider_option,
)
from clampdown.cli.output import echo_json, one_line
from clampdown.extras import needs_extra
from clampdown.signing import check_signature
from clampdown_runtime.bundle.files import open_manifest
from clampdown_runtime.sessions.providers import Provider


@click.command(
    short_help="Check digests, contract and golden rows.",
    epilog=example(
        "clampdown verify my-bundle",
        "clampdown verify my-bundle --public-key theirs.pub",
    ),
)
@bundle_argument
@provider_option
@expect_option
@click.option(
    "--public-key", type=PATH, metavar="PEM", help="Check the signature by this key first."
)
@certificates_option(
    "Check the signature by its certificate first, with this trusted one or one between; may be "
    "given several times."
)
@click.option(
    "--signature",
    type=PATH,
    metavar="FILE",
    help="The signature.  [default: model.sig in the bundle]",
)
@json_option
@needs_extra("verify")
def verify(
    *,
    bundle: Path,
    provider: Provider,
    expected_digest: str | None,
    public_key: Path | None,
    chain: tuple[Path, ...],
    signature: Path | None,
    as_json: bool,
) -> None:
    """Check that BUNDLE is whole, keeps the graph contract and answers its golden rows.

    The calibration that it keeps has to be the one in its graph, and the rows are run again with
    layers and logits that overflow: all have to be flagged then. A signature is checked where a key
    or certificates are given, before any other file than the manifest is read; that needs the
    extra `signing`.

    Prints what differs, one line each, beginning with the file, and exits with status 1 when
    anything does.
    """
    from clampdown_exporter import verify as verify_bundle  # noqa: PLC0415 - imports torch

    signed = public_key is not None or bool(chain) or signature is not None
    if signed:
        # What was signed is what is looked at next, and no other one that takes its place.
        expected_digest = open_manifest(bundle, expected_digest=expected_digest).digest
        check_signature(bundle, signature=signature, public_key=public_key, chain=chain)
    differences = verify_bundle(bundle, provider=provider, expected_digest=expected_digest)
    digest = open_manifest(bundle, expected_digest=expected_digest).digest
    if as_json:
        echo_json(
            {
                "bundle": str(bundle),
                "digest": digest,
                "signed": signed,
                "valid": not differences,
                "differences": differences,
            }
        )
    else:
        held = ", and its signature holds" if signed else ""
        for line in differences or [f"{bundle}: no differences{held}", f"digest {digest}"]:
            click.echo(one_line(line))
    if differences:
        click.get_current_context().exit(1)
