import assert from "node:assert/strict";
import { test } from "node:test";

import { toPrediction } from "../dist/prediction.js";

test("a graph may have more classes than a call has arguments", () => {
  const logits = new Array(300_000).fill(0);
  logits[7] = 100;
  const labels = logits.map((_, at) => `label ${at}`);
  assert.deepEqual(toPrediction(logits, 1, false, labels).label, "label 7");
  logits[9] = NaN;
  const { label, probability } = toPrediction(logits, 1, true, labels);
  assert.deepEqual([label, probability], ["label 9", NaN]);
});
