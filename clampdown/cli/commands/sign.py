"""`clampdown sign`."""

from pathlib import Path

import click

from clampdown.cli.options import PATH, bundle_argument, certificates_option, example
from clampdown.signing import sign as sign_bundle


@click.command(
    short_help="Sign a bundle.",
    epilog=example(
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
        "openssl ec -in key.pem -pubout -out key.pub",
        "clampdown sign my-bundle --private-key key.pem",
        "clampdown verify my-bundle --public-key key.pub",
    ),
)
@bundle_argument
@click.option(
    "--private-key", type=PATH, required=True, metavar="PEM", help="An elliptic-curve key."
)
@click.option(
    "--password",
    envvar="CLAMPDOWN_KEY_PASSWORD",
    metavar="TEXT",
    help="Of an encrypted key; better given by the variable CLAMPDOWN_KEY_PASSWORD.",
)
@click.option(
    "--certificate", type=PATH, metavar="PEM", help="The key's certificate, to sign with it."
)
@certificates_option("A certificate between it and the trusted one; may be given several times.")
def sign(
    bundle: Path,
    private_key: Path,
    password: str | None,
    certificate: Path | None,
    chain: tuple[Path, ...],
) -> None:
    """Sign BUNDLE with OpenSSF's model-signing, and write model.sig into it.

    The signature covers every file, the manifest among them, and needs no network. It says who
    vouches for the bundle; what it says it proves as far as the key is kept. It needs the extra
    `signing`.
    """
    click.echo(
        sign_bundle(
            bundle, private_key=private_key, password=password, certificate=certificate, chain=chain
        )
    )
