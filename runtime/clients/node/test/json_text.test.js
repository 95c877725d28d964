import assert from "node:assert/strict";
import { test } from "node:test";

import { parseJson } from "../dist/json_text.js";

test("valid JSON is parsed", () => {
  const value = { a: [{ b: '}"{[' }, "\\", { b: 1 }], 'b"': { a: null }, "": "a:" };
  for (const indent of [0, 1]) {
    assert.deepEqual(parseJson(JSON.stringify(value, null, indent)), value);
  }
});

for (const text of [
  '{"a": 1, "b": {"a": 1}, "a": 2}',
  '[{"\\u0061" \n:1,"a":1}]',
  '{"__proto__":1,"__proto__":2}',
]) {
  test(`the key that ${text} has twice is found`, () => {
    assert.throws(() => parseJson(text), /the key "\w+" is there twice/);
  });
}

test("a text of brackets is refused before it is parsed", (t) => {
  const parse = t.mock.method(JSON, "parse");
  for (const piece of ["[", '{"a":', '[{"":']) {
    assert.throws(() => parseJson(piece.repeat(2 ** 20)), /it nests deeper than 64 levels/);
  }
  assert.ok(parse.mock.calls.every(({ arguments: [text] }) => text.length < 10));
});

test("many keys and long strings take no more than their share of time", () => {
  const keys = Array.from({ length: 500_000 }, (_, at) => `"k${at}" : "${"\\\\".repeat(5)}"`).join(
    ",",
  );
  const start = performance.now();
  parseJson(`{${keys}}`);
  parseJson(JSON.stringify(['\\"'.repeat(4_000_000)]));
  assert.throws(() => parseJson(`{${keys}, "k0": 1}`), /the key "k0" is there twice/);
  // A second on a busy machine; in quadratic time they take minutes.
  assert.ok(performance.now() - start < 20_000);
});
