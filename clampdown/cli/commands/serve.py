"""`clampdown serve`."""

from pathlib import Path

import click

from clampdown.cli.options import PATH, bundle_argument, example, expect_option
from clampdown.extras import needs_extra
from clampdown.page.server import HOST, PageServer
from clampdown.page.site import write_site
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.errors import ClampdownError
from clampdown_runtime.writing.atomic_write import atomic_folder
from clampdown_runtime.writing.working_folder import scratch_folder


@click.command(
    short_help="Show a bundle in the browser.",
    epilog=example("clampdown serve my-bundle"),
)
@bundle_argument
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="Where to listen; 0: a free port."
)
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Write the page's files into this new folder, for a static web server, and serve nothing.",
)
@expect_option
@needs_extra("serve")
def serve(bundle: Path, port: int, out: Path | None, expected_digest: str | None) -> None:
    """Open a page on this machine that runs BUNDLE in the browser.

    It shows label, probability, anomaly score against the threshold, what the undefended model
    would have said, and which layers contradict it. No text leaves the browser. Ctrl-C ends it.

    It runs from a checkout alone, installed with `pip install -e`, after `make client` there.
    """
    opened = open_bundle(bundle, expected_digest=expected_digest)
    if out is not None:
        with atomic_folder(out) as place:
            write_site(opened, place)
        click.echo(out)
        return
    with scratch_folder() as site:
        write_site(opened, site)
        try:
            server = PageServer(site, port)
        except OSError as error:
            raise ClampdownError(
                f"port {port}",
                found=str(error.strerror),
                expected="a free port",
                hint="Pass another --port, or --port 0.",
            ) from error
        with server:
            click.echo(f"http://{HOST}:{server.server_port}/  (Ctrl-C ends it)")
            server.serve_forever()
