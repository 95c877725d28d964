import assert from "node:assert/strict";

import { bundle, readJson } from "./bundles.js";

const FIELDS = ["logits", "anomaly_score", "flagged", "label", "probability"];

/** Replays the bundle's golden rows: each text, and each row of token ids, alone. */
export async function replayGolden(classifier) {
  const { rows, tolerance } = await readJson(bundle, "golden.json");
  assert.ok(rows.length > 0);
  for (const row of rows) {
    const [[ofText], [ofIds]] = await Promise.all([
      classifier.classify([textOf(row)]),
      classifier.runIds([row.input_ids], row.token_type_ids && { typeIds: [row.token_type_ids] }),
    ]);
    for (const field of FIELDS) {
      assertEqual(ofText[field], row[field], tolerance, `${field} of ${JSON.stringify(row.text)}`);
    }
    // The same ids give the same outputs to the last bit.
    assert.deepEqual(ofText, ofIds);
  }
}

/** What a golden row is of: a text, or a pair. */
function textOf({ text, text_pair }) {
  return text_pair === undefined ? text : { text, text_pair };
}

/** JSON has no NaN: null equals any number that is not finite. */
function assertEqual(found, expected, tolerance, what) {
  if (Array.isArray(expected)) {
    assert.equal(found.length, expected.length, what);
    expected.forEach((one, index) => assertEqual(found[index], one, tolerance, what));
  } else if (expected === null) {
    assert.equal(typeof found, "number", what);
    assert.ok(!Number.isFinite(found), `${what}: ${found} is finite`);
  } else if (typeof expected === "number") {
    assert.ok(Math.abs(found - expected) <= tolerance, `${what}: ${found} is not ${expected}`);
  } else {
    assert.equal(found, expected, what);
  }
}
