/** Why there is no option for the threshold: the README says what is pinned here. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import * as node from "onnxruntime-node";
import * as web from "onnxruntime-web";

import { bundle, modelFile, readJson } from "./bundles.js";

web.env.wasm.numThreads = 1;

test("onnxruntime-node ignores another threshold without a word", async () => {
  const run = await runner(node);
  const [scores, flagged] = await run();
  // Python flags every row under the first of these and none under the second.
  for (const threshold of [-Infinity, Infinity]) {
    assert.deepEqual(await run(threshold), [scores, flagged]);
  }
  assert.ok(scores.every(Number.isFinite));
});

test("onnxruntime-web refuses another threshold", async () => {
  const run = await runner(web);
  await run();
  await assert.rejects(run(Infinity), /invalid input 'threshold'/);
});

/** Runs the first golden row on the bundle's graph, with a threshold where one is given. */
async function runner(ort) {
  const { inputs } = await readJson(bundle, "clampdown.json");
  const { rows } = await readJson(bundle, "golden.json");
  const values = { input_ids: rows[0].input_ids, attention_mask: 1, token_type_ids: 0 };
  const { length } = rows[0].input_ids;
  const feeds = inputs.map((name) => {
    const data = BigInt64Array.from([values[name]].flat(), BigInt);
    const filled = data.length === length ? data : new BigInt64Array(length).fill(data[0]);
    return [name, new ort.Tensor("int64", filled, [1, length])];
  });
  const model = new Uint8Array(await readFile(join(bundle, await modelFile(bundle))));
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  return async (threshold) => {
    const all = Object.fromEntries(feeds);
    if (threshold !== undefined) {
      all.threshold = new ort.Tensor("float32", Float32Array.of(threshold), [1]);
    }
    const outputs = await session.run(all);
    return [Array.from(outputs.anomaly_score.data), Array.from(outputs.flagged.data)];
  };
}
