import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { BundleError } from "clampdown";
import * as ort from "onnxruntime-node";

import { Classifier } from "../dist/classifier.js";
import { FolderSource } from "../dist/folder_source.js";
import { loadBundle } from "../dist/loading.js";
import { bundle, copyOf, modelFile, replaceFile } from "./bundles.js";

/** ONNX Runtime with a session that says and gives what `change` makes of it. */
function runtimeWith(change) {
  const create = async (model, options) => {
    const session = await ort.InferenceSession.create(model, options);
    const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
    const run = (feeds) => session.run(feeds);
    return { inputNames, outputNames, inputMetadata, outputMetadata, run, ...change(session) };
  };
  return { InferenceSession: { create }, Tensor: ort.Tensor };
}

async function classify(change) {
  const options = { executionProviders: ["cpu"] };
  const loaded = await loadBundle(new FolderSource(bundle), runtimeWith(change), options);
  return new Classifier(loaded).classify(["ok"]);
}

/** Metadata in which one node is another. */
function altered(nodes, name, other) {
  return nodes.map((node) => (node.name === name ? { ...node, ...other } : node));
}

for (const [name, other, found] of [
  ["logits", { type: "float16" }, /`logits` as float16 of 2 dimensions; expected float32 of 2/],
  ["logits", { shape: ["rows"] }, /`logits` as float32 of 1 dimensions/],
  ["anomaly_score", { type: "float64" }, /`anomaly_score` as float64 of 1/],
  ["anomaly_score", { type: undefined, shape: undefined }, /`anomaly_score` as no tensor/],
  ["flagged", { type: "uint8" }, /`flagged` as uint8 of 1 dimensions; expected bool of 1/],
]) {
  test(`a graph that has ${name} as ${JSON.stringify(other)} is refused`, async () => {
    const change = ({ outputMetadata }) => ({
      outputMetadata: altered(outputMetadata, name, other),
    });
    await assert.rejects(classify(change), (error) => {
      assert.ok(error instanceof BundleError, String(error));
      assert.match(error.message, found);
      return true;
    });
  });
}

test("a graph that has input_ids as int32 is refused", async () => {
  const change = ({ inputMetadata }) => ({
    inputMetadata: altered(inputMetadata, "input_ids", { type: "int32" }),
  });
  await assert.rejects(classify(change), /`input_ids` as int32 of 2 dimensions; expected int64/);
});

test("where a session tells no types, the outputs' own are checked", async () => {
  const untold = { inputMetadata: undefined, outputMetadata: undefined };
  assert.equal((await classify(() => untold)).length, 1);
  const change = (session) => ({
    ...untold,
    run: async (feeds) => {
      const outputs = await session.run(feeds);
      const flagged = new ort.Tensor("uint8", Uint8Array.from(outputs.flagged.data), [1]);
      return { ...outputs, flagged };
    },
  });
  await assert.rejects(classify(change), (error) => {
    assert.ok(error instanceof BundleError, String(error));
    assert.match(error.message, /`flagged` as uint8 of 1 dimensions; expected bool/);
    return true;
  });
});

test("own logits of another type, shape or name are refused", async () => {
  const own = ({ data, dims }, kind = "float32") => new ort.Tensor(kind, data, dims);
  const graph = (change) => (session) => ({
    outputNames: ["logits", "anomaly_score", "flagged", "undefended_logits"],
    inputMetadata: undefined,
    outputMetadata: undefined,
    run: async (feeds) => {
      const outputs = await session.run(feeds);
      return { ...outputs, undefended_logits: change(outputs) };
    },
  });
  const [{ undefended_logits, logits }] = await classify(graph(({ logits: of }) => own(of)));
  assert.deepEqual(undefended_logits, logits);
  await assert.rejects(
    classify(graph(({ anomaly_score }) => own(anomaly_score))),
    /`undefended_logits` as float32 of 1 dimensions/,
  );
  await assert.rejects(
    classify(graph(() => new ort.Tensor("float32", new Float32Array(9), [1, 9]))),
    /outputs of the shapes/,
  );
  const named = () => ({ outputNames: ["logits", "anomaly_score", "flagged", "more"] });
  await assert.rejects(classify(named), /flagged, more/);
});

test("ONNX Runtime writes nothing of a failure itself", async (t) => {
  const folder = await copyOf(t);
  const graph = await modelFile(folder);
  const bytes = await readFile(join(folder, graph));
  const module = join(folder, "..", "main.mjs");
  await writeFile(
    module,
    `import { DefendedClassifier } from ${JSON.stringify(import.meta.resolve("clampdown"))};
    for (const folder of process.argv.slice(2)) {
      const load = async () => (await DefendedClassifier.load(folder)).runIds([[1e9]]);
      await load().catch((error) => console.log(error.name));
    }`,
  );
  await replaceFile(folder, graph, bytes.subarray(0, bytes.length / 2));
  const done = spawnSync(process.execPath, [module, bundle, folder], { encoding: "utf8" });
  assert.deepEqual([done.stdout, done.stderr], ["ProviderError\nBundleError\n", ""]);
});
