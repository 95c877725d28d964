import assert from "node:assert/strict";
import { test } from "node:test";

import { bundle } from "./bundles.js";
import { described, failures, mutants, run } from "./fuzz/campaign.js";

test("a hundred damaged and hostile bundles are taken or refused", async () => {
  const results = await run(bundle, mutants(100, 0));
  assert.deepEqual(failures(results).map(described), []);
  const kinds = new Set(results.map(({ kind }) => kind));
  assert.deepEqual(kinds, new Set(["accepted", "refused"]));
});
