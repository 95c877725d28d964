/** The browser's path: the same code on onnxruntime-web's WebAssembly, over HTTP. */

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";

import * as ort from "onnxruntime-web";

import { Classifier } from "../dist/classifier.js";
import { BundleError } from "../dist/errors.js";
import { loadBundle } from "../dist/loading.js";
import { UrlSource } from "../dist/url_source.js";
import { bundle, copyOf, modelFile } from "./bundles.js";
import { replayGolden } from "./golden.js";

ort.env.wasm.numThreads = 1;

test("golden rows are replayed on onnxruntime-web, from the files that are needed", async (t) => {
  const { address, asked } = await serve(t, bundle);
  // What load of the browser's entry does, which itself needs a browser.
  const classifier = await load(`${address}/`);
  assert.deepEqual(asked, [
    "/clampdown.json",
    `/${await modelFile(bundle)}`,
    "/tokenizer.json",
    "/golden.json",
  ]);
  await replayGolden(classifier);
});

test("a changed file is refused where it is used", async (t) => {
  const folder = await copyOf(t);
  await writeFile(join(folder, "config.json"), "{}");
  const { address } = await serve(t, folder);
  await load(address);
  await writeFile(join(folder, "tokenizer.json"), "{}");
  await assert.rejects(load(address), /found tokenizer\.json \(different\)/);
});

test("an address without a bundle is refused", async (t) => {
  const { address } = await serve(t, bundle);
  await assert.rejects(load(`${address}/elsewhere`), /found no clampdown\.json/);
  await assert.rejects(load("http://127.0.0.1:1"), BundleError);
});

test("a manifest without end is refused", async (t) => {
  const server = createServer((request, response) => {
    const more = () => response.write(" ".repeat(2 ** 16));
    response.on("drain", more);
    more();
  });
  t.after(() => server.close());
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const address = `http://127.0.0.1:${server.address().port}`;
  await assert.rejects(load(address), /clampdown\.json: found more than 16777216 bytes/);
  server.closeAllConnections();
});

async function load(address) {
  const options = { executionProviders: ["wasm"] };
  return new Classifier(await loadBundle(new UrlSource(address), ort, options));
}

/** Serves a folder until the test ends, and records the paths that were asked for. */
async function serve(t, folder) {
  const asked = [];
  const server = createServer(async (request, response) => {
    asked.push(request.url);
    const bytes = await readFile(join(folder, request.url)).catch(() => undefined);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  t.after(() => server.close());
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { address: `http://127.0.0.1:${server.address().port}`, asked };
}
