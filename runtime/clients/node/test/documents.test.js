import assert from "node:assert/strict";
import { test } from "node:test";

import { ClampdownError, DefendedClassifier, RowsError } from "clampdown";

import { ofDocument } from "../dist/documents.js";
import { bundle, readJson } from "./bundles.js";

const classifier = await DefendedClassifier.load(bundle, { threads: 1 });
const { rows, tolerance } = await readJson(bundle, "golden.json");
const { max_length } = await readJson(bundle, "clampdown.json");

async function collect(predictions) {
  const found = [];
  for await (const prediction of predictions) found.push(prediction);
  return found;
}

test("a text of one window has the result that it has anyway", async () => {
  const short = rows.filter(({ input_ids }) => input_ids.length < max_length);
  const texts = short.map(({ text }) => text);
  const expected = await classifier.classify(texts, { batchSize: 1 });
  const found = await collect(classifier.documents(texts, { batchSize: 1 }));
  found.forEach(({ probability, logits, undefended_logits, ...rest }, index) => {
    const { probability: other, logits: _, undefended_logits: own, ...others } = expected[index];
    if (!Number.isNaN(other)) assert.ok(Math.abs(probability - other) < 1e-6);
    assert.equal(undefended_logits === undefined, own === undefined);
    assert.deepEqual(rest, others);
  });
});

test("what stands behind the first window is seen", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const long = "ok ".repeat(2 * max_length);
  const [first, second, third] = await collect(
    classifier.documents([long, `${long} awful`, "ok"], { batchSize: 2 }),
  );
  assert.notDeepEqual(first.logits, second.logits);
  const [alone] = await classifier.classify(["ok"]);
  assert.ok(Math.abs(third.anomaly_score - alone.anomaly_score) <= tolerance);
  assert.equal(warn.mock.callCount(), 0);
});

test("texts that are longer than what is read are told of, once", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const long = `ok${" ".repeat(256 * max_length)}`;
  await collect(classifier.documents([long, "ok", long], { batchSize: 1 }));
  assert.equal(warn.mock.callCount(), 1);
  const [said] = warn.mock.calls[0].arguments;
  assert.match(said, new RegExp(`^2 of the texts were longer than ${256 * max_length} characters`));
});

test("texts come from anything that gives them in order", async () => {
  async function* one() {
    yield "ok";
  }
  const expected = await collect(classifier.documents(["ok"]));
  assert.deepEqual(await collect(classifier.documents(one())), expected);
  assert.deepEqual(await collect(classifier.documents(new Set(["ok"]))), expected);
  assert.deepEqual(await collect(classifier.documents([])), []);
});

for (const options of [
  { size: 0 },
  { size: max_length + 1 },
  { stride: 0 },
  { stride: max_length + 1 },
  { size: 8.5 },
  { stride: NaN },
  { size: -1, stride: 1 },
]) {
  test(`windows of ${JSON.stringify(options)} are refused at once`, () => {
    const message = new RegExp(`to ${max_length} tokens, and a stride of at least 1`);
    assert.throws(() => classifier.documents(["ok"], options), message);
  });
}

test("other arguments are refused at once, a text when it comes", async () => {
  for (const texts of ["ok", undefined, null, 5, {}]) {
    assert.throws(() => classifier.documents(texts), RowsError);
  }
  assert.throws(() => classifier.documents(["ok"], { batchSize: 0 }), ClampdownError);
  const predictions = classifier.documents(["ok", " "], { batchSize: 1 });
  assert.equal((await predictions.next()).done, false);
  await assert.rejects(predictions.next(), /text 1: found a text of white space/);
});

test("a document is the mean of its windows by their tokens, with the highest score", () => {
  const window = (logits, anomaly_score, flagged) => ({ logits, anomaly_score, flagged });
  const windows = [window([0, Math.log(3)], 1, false), window([Math.log(9), 0], 2, true)];
  const found = ofDocument(windows, [10, 30], { labels: ["no", "yes"] });
  // 1/4 and 9/10 are the probabilities of the first class.
  const expected = (0.25 * 10 + 0.9 * 30) / 40;
  assert.equal(found.label, "no");
  assert.ok(Math.abs(found.probability - expected) < 1e-6);
  assert.ok(Math.abs(Math.exp(found.logits[1]) - (1 - expected)) < 1e-6);
  assert.deepEqual([found.anomaly_score, found.flagged], [2, true]);
  const broken = ofDocument([...windows, window([NaN, 0], NaN, true)], [10, 30, 1], {
    labels: ["no", "yes"],
  });
  assert.deepEqual([broken.probability, broken.anomaly_score, broken.flagged], [NaN, NaN, true]);
});

test("the model's own logits are put together alike", () => {
  const window = (own) => ({
    logits: [0, 0],
    anomaly_score: 0,
    flagged: true,
    undefended_logits: own,
  });
  const windows = [window([0, Math.log(3)]), window([Math.log(9), 0])];
  const manifest = { labels: ["no", "yes"] };
  const found = ofDocument(windows, [10, 30], manifest);
  const plain = windows.map(({ undefended_logits: logits }) => ({ ...window(), logits }));
  const { label, logits } = ofDocument(plain, [10, 30], manifest);
  assert.deepEqual([found.undefended_label, found.undefended_logits], [label, logits]);
});

test("of many labels each has the mean of its windows' sigmoids", () => {
  const window = (logits) => ({ logits, anomaly_score: 0, flagged: false });
  const windows = [window([Math.log(3), 50]), window([-Math.log(9), 60])];
  const manifest = { labels: ["a", "b"], problem_type: "multi_label_classification" };
  const { logits, labels } = ofDocument(windows, [10, 30], manifest);
  const [first, second] = logits;
  const expected = (0.75 * 10 + 0.1 * 30) / 40;
  assert.ok(Math.abs(1 / (1 + Math.exp(-first)) - expected) < 1e-6);
  // Near one no digit of a probability is left: 50 of one quarter of the tokens, 60 of the rest.
  assert.ok(Math.abs(second - (50 + Math.log(4))) < 1e-3);
  assert.deepEqual(labels, ["b"]);
});
