import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { SCHEMA as GOLDEN } from "../dist/golden.js";
import { SCHEMA as MANIFEST } from "../dist/manifest.js";

const published = async (name) =>
  JSON.parse(
    await readFile(new URL(`../../../../docs/schemas/${name}.schema.json`, import.meta.url), "utf8"),
  );

/** What a published schema and the client's have in common: keys, and the choices of each. */
function ofJson(schema) {
  if (schema.enum) return [...schema.enum].sort();
  if (schema.items) return [ofJson(schema.items)];
  if (!schema.properties || !schema.required) return null;
  const entries = Object.entries(schema.properties).map(([key, value]) => [key, ofJson(value)]);
  return Object.fromEntries(entries.sort());
}

function ofValibot(schema) {
  if (schema.pipe) return ofValibot(schema.pipe[0]);
  if (schema.type === "optional") return ofValibot(schema.wrapped);
  if (schema.type === "picklist") return [...schema.options].sort();
  if (schema.type === "array") return [ofValibot(schema.item)];
  if (schema.type !== "strict_object") return null;
  const entries = Object.entries(schema.entries).map(([key, value]) => [key, ofValibot(value)]);
  return Object.fromEntries(entries.sort());
}

test("the client reads the keys and choices of the published schemas", async () => {
  const manifest = ofJson(await published("clampdown"));
  manifest.files = null; // A map of digests with a few names that have to be there.
  assert.deepEqual(ofValibot(MANIFEST), manifest);
  assert.deepEqual(ofValibot(GOLDEN), ofJson(await published("golden")));
  assert.deepEqual(manifest.mode, ["detect", "detect-then-purify", "purify"]);
});
