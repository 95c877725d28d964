"""Serves the page's files to this machine and to no other."""

import os
import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

HOST = "127.0.0.1"

MOST_CONNECTIONS = 32
"""At once; a browser opens six."""

SILENT_SECONDS = 30
"""After which a connection that says nothing is closed."""

_HEADERS = {
    # A bundle that was exported again has the same addresses.
    "Cache-Control": "no-store",
    # The page's own policy stands in it; this one cannot.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(SimpleHTTPRequestHandler):
    timeout = SILENT_SECONDS
    server: "PageServer"
    extensions_map = {  # noqa: RUF012 - as the class that it is inherited from
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def send_head(self) -> BytesIO | BinaryIO | None:
        # Another page's script that makes a name of its own mean this machine still sends the name.
        if self.headers.get("Host") not in self.server.names:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        place = os.path.realpath(self.translate_path(self.path))
        if not Path(place).is_relative_to(os.path.realpath(self.directory)):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The terminal has one line, the address."""


class PageServer(ThreadingHTTPServer):
    """Answers those who ask for it by its own address, a limited number at once."""

    daemon_threads = True

    def __init__(self, site: Path, port: int = 0) -> None:
        """Binds; it does not serve yet.

        Args:
            site: the folder with the page.
            port: where it listens; 0 takes a free one.

        Raises:
            OSError: the port is taken.
        """
        super().__init__((HOST, port), partial(_Handler, directory=str(site)))
        self.names = frozenset(f"{name}:{self.server_port}" for name in (HOST, "localhost"))
        self._free = threading.Semaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer in a thread of its own, or close the connection where there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """What the thread does."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()
