import * as v from "valibot";

import { BundleError } from "./errors.js";
import { TEXT, readObject, refusal } from "./strict_json.js";
import type { BundleTokenizer } from "./tokenizer.js";

/** Rows of single texts are in version 1, those of pairs in version 2. */
const FORMAT_VERSION = 2;
const ids = v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const nullable = v.nullable(v.pipe(v.number(), v.finite()));
export const SCHEMA = v.strictObject({
  format_version: v.picklist([1, 2]),
  tolerance: v.pipe(v.number(), v.finite(), v.minValue(0)),
  rows: v.pipe(
    v.array(
      v.strictObject({
        text: TEXT,
        text_pair: v.optional(TEXT),
        input_ids: v.pipe(ids, v.minLength(1)),
        token_type_ids: v.optional(ids),
        logits: v.pipe(v.array(nullable), v.minLength(1)),
        anomaly_score: nullable,
        flagged: v.boolean(),
        label: TEXT,
        probability: nullable,
      }),
    ),
    v.minLength(1),
  ),
});

/**
 * Refuses a tokenizer that reads the bundle's golden texts otherwise than the one that made them:
 * the detector was calibrated on the other one's tokens.
 *
 * @throws {BundleError} the bytes are not golden rows, or token ids or types differ.
 */
export function requireGoldenIds(
  bytes: Uint8Array,
  where: string,
  tokenizer: BundleTokenizer,
): void {
  const { format_version, rows } = readObject(bytes, where, FORMAT_VERSION, SCHEMA);
  for (const { text, text_pair, input_ids, token_type_ids } of rows) {
    const pair = text_pair !== undefined;
    if (pair !== format_version > 1 || pair !== tokenizer.textPair) {
      const found = `${pair ? "a pair" : "a single text"} in format version ${format_version}`;
      const expected = tokenizer.textPair ? "pairs, in version 2" : "single texts, in version 1";
      throw refusal(`${where}, \`rows\``, found, expected);
    }
    const { ids, types } = tokenizer.encode(pair ? { text, text_pair } : text);
    requireSame(text, ids, input_ids, "token");
    if (token_type_ids !== undefined) requireSame(text, types ?? [], token_type_ids, "token type");
  }
}

function requireSame(text: string, found: number[], expected: number[], what: string): void {
  const at = expected.findIndex((id, index) => id !== found[index]);
  if (at === -1 && found.length === expected.length) return;
  const place = at === -1 ? expected.length : at;
  throw new BundleError(
    `the tokenizer, on the golden text ${JSON.stringify(text.slice(0, 60))}`,
    `${found[place] ?? `no ${what}`} as its ${what} ${place}`,
    `${expected[place] ?? `no ${what}`}, as where the bundle was made`,
    "The package @huggingface/tokenizers does not read this tokenizer as it was meant: " +
      "use the Python runtime for this bundle.",
  );
}
