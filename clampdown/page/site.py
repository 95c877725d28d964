"""Writes the files of the page: a folder that any static web server can serve."""

import base64
import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import GOLDEN_FILE, MANIFEST_NAME, TOKENIZER_FILE
from clampdown_runtime.errors import ClampdownError

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "runtime" / "clients" / "node"
ASSETS = ("labels.js", "page.css", "page.js", "results.js")
LIBRARIES = {
    "@huggingface/tokenizers": "@huggingface/tokenizers/dist/tokenizers.mjs",
    "onnxruntime-web/wasm": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "valibot": "valibot/dist/index.mjs",
}
"""Files of npm packages under the names by which the client imports them."""

WASM = "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"


def write_site(bundle: Bundle, out: Path, *, client: Path = CLIENT) -> None:
    """Write the page, the JavaScript client and a bundle that explains itself.

    The bundle in the page has a graph with more outputs than the one given, and its digest.

    Args:
        bundle: a verified bundle.
        out: an empty folder.
        client: the folder of the JavaScript client, built, with its packages.

    Raises:
        ClampdownError: this is no checkout, the client in it is not built, or the bundle is too
            large for a browser.
    """
    if bundle.manifest.weights_file is not None:
        raise ClampdownError(
            "the page",
            found=f"a bundle with {bundle.manifest.weights_file}, more than 2 GB of weights",
            expected="files that a browser can digest and hold",
            hint="Serve a bundle in fp16 or int8.",
        )
    if not client.is_dir():
        raise ClampdownError(
            "the page",
            found=f"no {client}",
            expected="the JavaScript client, which is in a checkout and in no installed package",
            hint="Run `pip install -e '.[cpu,export]'` and then `make client` in a checkout.",
        )
    packages = client / "node_modules"
    needed = [client / "dist" / "browser.js", *(packages / p for p in (*LIBRARIES.values(), WASM))]
    if missing := [path for path in needed if not path.is_file()]:
        raise ClampdownError(
            "the page",
            found=f"no {missing[0]}",
            expected="the JavaScript client, built, with its packages",
            hint=f"Run `make client` in {client.parents[2]}; it needs Node and npm.",
        )
    _write_bundle(bundle, out / "bundle")
    shutil.copytree(client / "dist", out / "client", ignore=shutil.ignore_patterns("*.ts", "*.map"))
    library = out / "library"
    library.mkdir()
    for path in (*LIBRARIES.values(), WASM):
        shutil.copyfile(packages / path, library / Path(path).name)
    for name in ASSETS:
        shutil.copyfile(HERE / name, out / name)
    imports = {name: f"./library/{Path(path).name}" for name, path in LIBRARIES.items()}
    page = (HERE / "index.html").read_text("utf-8").replace("{{imports}}", json.dumps(imports))
    (out / "index.html").write_text(page.replace("{{hash}}", _hash(page)), "utf-8")


def _write_bundle(bundle: Bundle, out: Path) -> None:
    manifest = bundle.manifest
    model = out / manifest.model_file
    model.parent.mkdir(parents=True)
    from clampdown_exporter.bundle.explained import write_explained  # noqa: PLC0415 - imports torch

    write_explained(bundle, model)
    for name in (TOKENIZER_FILE, GOLDEN_FILE):
        (out / name).write_bytes(bundle.read(name))
    files = {**manifest.files, manifest.model_file: file_digest(model)}
    written = dataclasses.replace(manifest, files=files).to_json()
    (out / MANIFEST_NAME).write_text(written, "utf-8")


def _hash(page: str) -> str:
    """Of the only inline script, the import map, which the page's policy allows by it."""
    [script] = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
