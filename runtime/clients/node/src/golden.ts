import * as v from "valibot";

import { BundleError } from "./errors.js";
import { TEXT, readObject } from "./strict_json.js";
import type { BundleTokenizer } from "./tokenizer.js";

const FORMAT_VERSION = 1;
const nullable = v.nullable(v.pipe(v.number(), v.finite()));
export const SCHEMA = v.strictObject({
  format_version: v.pipe(v.number(), v.integer(), v.minValue(1)),
  tolerance: v.pipe(v.number(), v.finite(), v.minValue(0)),
  rows: v.pipe(
    v.array(
      v.strictObject({
        text: TEXT,
        input_ids: v.pipe(v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), v.minLength(1)),
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
 * @throws {BundleError} the bytes are not golden rows, or token ids differ.
 */
export function requireGoldenIds(
  bytes: Uint8Array,
  where: string,
  tokenizer: BundleTokenizer,
): void {
  for (const row of readObject(bytes, where, FORMAT_VERSION, SCHEMA).rows) {
    const { ids } = tokenizer.encode(row.text);
    const at = row.input_ids.findIndex((id, index) => id !== ids[index]);
    if (at === -1 && ids.length === row.input_ids.length) continue;
    const place = at === -1 ? row.input_ids.length : at;
    throw new BundleError(
      `the tokenizer, on the golden text ${JSON.stringify(row.text.slice(0, 60))}`,
      `${ids[place] ?? "no token"} as its token ${place}`,
      `${row.input_ids[place] ?? "no token"}, as where the bundle was made`,
      "The package @huggingface/tokenizers does not read this tokenizer as it was meant: " +
        "use the Python runtime for this bundle.",
    );
  }
}
