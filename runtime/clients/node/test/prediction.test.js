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

test("of many labels those over one half are given, each by a sigmoid", () => {
  const labels = ["a", "b", "c"];
  const some = toPrediction([2, -1, 0.5], 1, false, labels, true);
  assert.deepEqual([some.label, some.labels], ["a", ["a", "c"]]);
  assert.ok(Math.abs(some.probability - 1 / (1 + Math.exp(-2))) < 1e-12);
  const none = toPrediction([-3, -88, 0], 1, false, labels, true);
  assert.deepEqual([none.label, none.labels, none.probability], ["c", [], 0.5]);
  const broken = toPrediction([NaN, 1], 1, true, ["no", "yes"], true);
  assert.deepEqual([broken.label, broken.labels, broken.probability], ["no", ["yes"], NaN]);
  assert.ok(!("labels" in toPrediction([2, 1], 1, false, ["no", "yes"])));
});

test("the model's own answer stands beside the defence's, where it is known", () => {
  const labels = ["no", "yes"];
  const one = toPrediction([2, 1], 5, true, labels, false, [0, 3]);
  assert.deepEqual([one.label, one.undefended_label, one.undefended_logits], ["no", "yes", [0, 3]]);
  assert.ok(!("undefended_labels" in one));
  const many = toPrediction([2, -1], 5, true, labels, true, [-2, 1]);
  assert.deepEqual([many.labels, many.undefended_labels], [["no"], ["yes"]]);
  const unknown = Object.keys(toPrediction([2, 1], 5, true, labels));
  assert.deepEqual(unknown, ["label", "probability", "anomaly_score", "flagged", "logits"]);
});
