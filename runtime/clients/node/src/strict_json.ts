import * as v from "valibot";

import { BundleError } from "./errors.js";
import { parseJson } from "./json_text.js";

/** A string of valid Unicode: JSON can hold half of a surrogate pair. */
export const TEXT = v.pipe(
  v.string(),
  v.check((text) => text.isWellFormed(), "valid Unicode"),
);

/**
 * Reads a JSON object of a bundle strictly.
 *
 * @param bytes the file, in UTF-8.
 * @param where its name in error messages.
 * @param newest the newest format version that this client reads.
 * @param schema what the object must be.
 * @throws {BundleError} the file is not such an object; the message names the key.
 */
export function readObject<Schema extends v.GenericSchema>(
  bytes: Uint8Array,
  where: string,
  newest: number,
  schema: Schema,
): v.InferOutput<Schema> {
  const value = parse(bytes, where);
  // First, since nothing can be said about the other keys of a newer version.
  const version = (value as { format_version?: unknown } | null)?.format_version;
  if (typeof version === "number" && version > newest) {
    throw new BundleError(
      `${where}, \`format_version\``,
      `format version ${version}`,
      `at most ${newest}, the newest that this client reads`,
      "Upgrade the client.",
    );
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  throw refusal(
    path === null ? where : `${where}, \`${path}\``,
    issue.received === "undefined" ? "nothing" : issue.received,
    // Valibot's own words, but for keys and for rules that have none.
    issue.expected === "never" ? "no such key" : (issue.expected ?? issue.message),
  );
}

/** The error of a file that does not follow its format. */
export function refusal(where: string, found: string, expected: string): BundleError {
  const action = "The bundle was damaged or edited: export it again, or get an unchanged copy.";
  return new BundleError(where, found, expected, action);
}

function parse(bytes: Uint8Array, where: string): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return parseJson(text);
  } catch (error) {
    const { message } = error as Error;
    throw refusal(where, `text that is not valid JSON (${message})`, "a JSON object");
  }
}
