"""The files of the page, the server that serves them, and the command."""

import base64
import errno
import hashlib
import http.client
import json
import re
import socket
import threading
import time

import pytest

from clampdown.cli.commands import serve
from clampdown.page import site as page_site
from clampdown.page.server import MOST_CONNECTIONS, PageServer
from clampdown.page.site import LIBRARIES, WASM, write_site
from clampdown_runtime import ClampdownError, open_bundle
from clampdown_runtime.bundle.digests import file_digest


@pytest.fixture
def client(tmp_path):
    """What a built client consists of, its files empty."""
    folder = tmp_path / "client"
    packages = folder / "node_modules"
    for path in (
        folder / "dist" / "browser.js",
        folder / "dist" / "browser.d.ts",
        *(packages / name for name in (*LIBRARIES.values(), WASM)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


@pytest.fixture
def site(bundle_path, client, tmp_path):
    out = tmp_path / "site"
    out.mkdir()
    write_site(open_bundle(bundle_path), out, client=client)
    return out


def test_bundle_in_the_page_has_the_digests_of_its_files(site, bundle_path):
    found = json.loads((site / "bundle" / "clampdown.json").read_text())
    given = open_bundle(bundle_path).manifest
    for name in ("onnx/model.onnx", "tokenizer.json", "golden.json"):
        assert found["files"][name] == file_digest(site / "bundle" / name)
    assert found["files"]["onnx/model.onnx"] != given.files["onnx/model.onnx"]
    assert found["threshold"] == given.threshold


def test_policy_allows_the_import_map_and_no_other_server(site):
    page = (site / "index.html").read_text()
    [script] = re.findall(r'<script type="importmap">(.*?)</script>', page)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy
    for path in json.loads(script)["imports"].values():
        assert (site / path).is_file()
    assert not list(site.rglob("*.d.ts"))


@pytest.mark.parametrize("missing", ["dist/browser.js", f"node_modules/{WASM}"])
def test_client_that_is_not_built(bundle_path, client, tmp_path, missing):
    (client / missing).unlink()
    (tmp_path / "site").mkdir()
    with pytest.raises(ClampdownError, match="Run `make client`") as caught:
        write_site(open_bundle(bundle_path), tmp_path / "site", client=client)
    assert missing in caught.value.found
    assert list((tmp_path / "site").iterdir()) == []


@pytest.fixture
def server(site):
    with PageServer(site) as server:
        # As a daemon, so that a failure here ends the tests.
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, path="/", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def test_server_gives_the_types_that_browsers_ask_for(server):
    assert server.server_address[0] == "127.0.0.1"
    for path, kind in (
        ("/", "text/html"),
        ("/library/tokenizers.mjs", "text/javascript"),
        (f"/library/{WASM.rpartition('/')[2]}", "application/wasm"),
    ):
        answer = get(server, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1", "127.0.0.1:1", "localhost.example:80"]
)
def test_server_answers_to_no_name_but_its_own(server, host):
    assert get(server, host=host).status == 421
    assert get(server, host=f"localhost:{server.server_port}").status == 200


def test_server_lists_no_folder_and_leaves_none(server, site, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (site / "link").symlink_to(tmp_path / "secret")
    (site / "folder").symlink_to(tmp_path)
    for path in (
        "/bundle/",
        "/library/",
        "/link",
        "/folder/secret",
        "/../secret",
        "/%2e%2e/secret",
    ):
        assert get(server, path).status == 404, path


def test_server_closes_connections_beyond_the_most_and_takes_new_ones_later(server):
    held = [socket.create_connection(server.server_address) for _ in range(MOST_CONNECTIONS)]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.create_connection(server.server_address) as one_more:
            one_more.settimeout(0.2)
            try:
                closed = one_more.recv(1) == b""
            except TimeoutError:
                continue
        if closed:
            break
    assert closed
    for connection in held:
        connection.close()
    while time.monotonic() < deadline:
        try:
            assert get(server).status == 200
            return
        except (http.client.HTTPException, OSError):
            time.sleep(0.05)
    pytest.fail("it takes no connection any more")


def test_command_writes_the_site(invoke, monkeypatch, bundle_path, client, tmp_path):
    monkeypatch.setattr(page_site.write_site, "__kwdefaults__", {"client": client})
    result = invoke("serve", bundle_path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "index.html").is_file()
    result = invoke("serve", bundle_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "a new or empty folder" in result.output


def test_command_says_that_a_port_is_taken(invoke, monkeypatch, bundle_path, client):
    monkeypatch.setattr(page_site.write_site, "__kwdefaults__", {"client": client})

    def taken(*_):
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(serve, "PageServer", taken)
    result = invoke("serve", bundle_path, "--port", "8000")
    assert result.exit_code == 2
    assert "port 8000: found Address already in use" in result.output
