import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BundleError,
  ClampdownError,
  DefendedClassifier,
  ProviderError,
  RowsError,
} from "clampdown";

import { bundle, readJson } from "./bundles.js";
import { replayGolden } from "./golden.js";

const classifier = await DefendedClassifier.load(bundle, { threads: 1 });
const { rows } = await readJson(bundle, "golden.json");
const { max_length } = await readJson(bundle, "clampdown.json");

test("golden rows are replayed on onnxruntime-node", () => replayGolden(classifier));

test("a text's result does not depend on its batch", async () => {
  const texts = rows.map((row) => row.text);
  const alone = await classifier.classify(texts, { batchSize: 1 });
  for (const batchSize of [4, 100]) {
    const together = await classifier.classify(texts, { batchSize });
    together.forEach((prediction, index) => {
      assert.equal(prediction.flagged, alone[index].flagged);
      prediction.logits.forEach((logit, place) => {
        const other = alone[index].logits[place];
        assert.ok(Math.abs(logit - other) < 1e-3 || Object.is(logit, other), `${logit}, ${other}`);
      });
    });
  }
  assert.deepEqual(await classifier.classify([]), []);
});

test("a text that is too long is truncated and told of", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const [whole] = await classifier.classify(["ok"]);
  assert.equal(warn.mock.callCount(), 0);
  const long = "ok ".repeat(max_length);
  const texts = [long, `${long} never seen`, "ok"];
  // Alone: two places of one batch may be rounded otherwise.
  const [first, second] = await classifier.classify(texts, { batchSize: 1 });
  assert.deepEqual(first, second);
  assert.notDeepEqual(first.logits, whole.logits);
  assert.equal(warn.mock.callCount(), 1);
  assert.match(warn.mock.calls[0].arguments[0], /^2 of the texts were longer than/);
});

for (const [text, found] of [
  ["", /text 1: found an empty text/],
  [" \t\u0085\u3000\x1c", /text 1: found a text of white space/],
  [undefined, /text 1: found no text/],
  [5, /text 1: found a value of the type number/],
  ["half \ud83d", /text 1: found a text with half of a surrogate pair/],
]) {
  test(`the text ${JSON.stringify(text)} is refused`, async () => {
    await assert.rejects(classifier.classify(["ok", text]), (error) => {
      assert.ok(error instanceof RowsError && error instanceof ClampdownError);
      assert.match(error.message, found);
      return true;
    });
  });
}

test("one string is not a list of texts", async () => {
  await assert.rejects(classifier.classify("ok"), RowsError);
});

test("a byte order mark is no white space, as in Python", async () => {
  assert.equal((await classifier.classify(["\ufeff"])).length, 1);
});

test("rows of no tokens or too many are refused", async () => {
  await assert.rejects(classifier.runIds([[]]), /row 0: found 0 tokens/);
  await assert.rejects(classifier.runIds([new Array(max_length + 1).fill(1)]), RowsError);
});

test("a token that the model does not know is an error of the run", async () => {
  await assert.rejects(classifier.runIds([[1_000_000_000]]), ProviderError);
});

test("wrong options are refused", async () => {
  await assert.rejects(classifier.classify(["ok"], { batchSize: 0 }), ClampdownError);
  await assert.rejects(DefendedClassifier.load(bundle, { threads: 0 }), ProviderError);
});

test("a bundle can be read from another place than a folder", async () => {
  const read = async () => undefined;
  await assert.rejects(DefendedClassifier.load({ name: "nowhere", read }), (error) => {
    assert.ok(error instanceof BundleError);
    assert.equal(error.found, "no clampdown.json");
    return true;
  });
});
