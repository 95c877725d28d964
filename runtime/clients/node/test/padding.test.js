import assert from "node:assert/strict";
import { test } from "node:test";

import { padBatch } from "../dist/padding.js";

const NAMES = ["input_ids", "token_type_ids", "attention_mask"];
const ROWS = [[5, 6, 7], [8]];

for (const [side, shorter] of [
  ["right", { input_ids: [8, 1, 1], token_type_ids: [0, 2, 2], attention_mask: [1, 0, 0] }],
  ["left", { input_ids: [1, 1, 8], token_type_ids: [2, 2, 0], attention_mask: [0, 0, 1] }],
]) {
  test(`a shorter row is filled up on the ${side}`, () => {
    const inputs = padBatch(ROWS, { side, token_id: 1, type_id: 2 }, NAMES);
    const longer = { input_ids: [5, 6, 7], token_type_ids: [0, 0, 0], attention_mask: [1, 1, 1] };
    assert.deepEqual(
      inputs,
      NAMES.map((name) => ({
        name,
        data: BigInt64Array.from([...longer[name], ...shorter[name]], BigInt),
        dims: [2, 3],
      })),
    );
  });
}

test("token types are those of the rows", () => {
  const padding = { side: "left", token_id: 1, type_id: 2 };
  const [types] = padBatch(ROWS, padding, ["token_type_ids"], [[0, 1, 1], [3]]);
  assert.deepEqual([...types.data], [0n, 1n, 1n, 2n, 2n, 3n]);
});

test("only the inputs that the graph has are made", () => {
  const [only, ...more] = padBatch(ROWS, { side: "right", token_id: 1, type_id: 2 }, ["input_ids"]);
  assert.equal(only.name, "input_ids");
  assert.deepEqual(more, []);
});
