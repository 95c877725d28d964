import assert from "node:assert/strict";
import { test } from "node:test";

import { BundleError } from "clampdown";

test("half of a surrogate pair is written out in a message", () => {
  const error = new BundleError("\ud800", "a\udc00", "\u{10000}", "\ud83d");
  assert.equal(error.message, "\\ud800: found a\\udc00; expected \u{10000}. \\ud83d");
  assert.deepEqual(
    [error.thing, error.found, error.expected],
    ["\\ud800", "a\\udc00", "\u{10000}"],
  );
});
