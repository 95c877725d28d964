"""A server of the protocol of S3, moto's, which can fail or wait in the middle of an upload."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow.fs import S3FileSystem
from werkzeug.serving import make_server

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class S3Server:
    """The server, and what it does with the second part of an upload.

    Attributes:
        refuses: whether it answers that part with an error.
        holds: while it is clear, that part waits.
        arrived: set by such a part that waits.
    """

    def __init__(self) -> None:
        self.refuses = False
        self.holds, self.arrived = threading.Event(), threading.Event()
        self.holds.set()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "PUT" and "partNumber=2" in environ["QUERY_STRING"]:
            if self.refuses:
                # An answer before the end of a request is none to the client.
                environ["wsgi.input"].read()
                start_response("403 Forbidden", [("Content-Length", "0")])
                return [b""]
            if not self.holds.is_set():
                self.arrived.set()
                self.holds.wait()
        return self._moto(environ, start_response)

    def files(self) -> S3FileSystem:
        """What pyarrow sees of it, with leave to make buckets."""
        return S3FileSystem(
            access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=self.address,
            scheme="http",
            allow_bucket_creation=True,
        )

    @contextmanager
    def running(self) -> "Iterator[S3Server]":
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.holds.set()
            self._server.shutdown()
            thread.join()
