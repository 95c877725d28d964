"""The files of the page, the server that serves them, and the command."""

import base64
import errno
import hashlib
import json
import re
import threading
import urllib.request

import pytest

from clampdown.cli.commands import serve
from clampdown.page import site as page_site
from clampdown.page.server import page_server
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


def test_server_gives_the_types_that_browsers_ask_for(site):
    with page_server(site) as server:
        # As a daemon, so that a failure here ends the tests.
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        types = {}
        for path in ("", "library/tokenizers.mjs", f"library/{WASM.rpartition('/')[2]}"):
            address = f"http://127.0.0.1:{server.server_port}/{path}"
            with urllib.request.urlopen(address) as answer:
                types[path] = answer.headers["Content-Type"]
                assert answer.headers["Cache-Control"] == "no-store"
        server.shutdown()
        thread.join()
    assert list(types.values()) == ["text/html", "text/javascript", "application/wasm"]
    assert server.server_address[0] == "127.0.0.1"


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

    monkeypatch.setattr(serve, "page_server", taken)
    result = invoke("serve", bundle_path, "--port", "8000")
    assert result.exit_code == 2
    assert "port 8000: found Address already in use" in result.output
