"""Serves the page's files to this machine and to no other."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as the class that it is inherited from
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        # A bundle that was exported again has the same addresses.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The terminal has one line, the address."""


def page_server(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server that is bound but does not serve yet.

    Args:
        site: the folder with the page.
        port: where it listens; 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(site)))
