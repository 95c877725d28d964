import { RowsError } from "./errors.js";

/** Two texts that the model reads at once; the names are those of Transformers.js. */
export interface TextPair {
  readonly text: string;
  readonly text_pair: string;
}

/** What a model reads at once: a text, or two where it was trained on pairs. */
export type Text = string | TextPair;

/** What Python's `str.strip` takes for white space; `trim` leaves some of it and removes U+FEFF. */
const WHITE_SPACE =
  /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

/**
 * Refuses what no model can classify.
 *
 * @throws {RowsError} `text` is not a string, is empty or white space, or is not valid Unicode.
 */
export function requireText(text: unknown, thing: string): string {
  let found: string;
  if (text === undefined || text === null) found = "no text";
  else if (typeof text !== "string") found = `a value of the type ${typeof text}`;
  else if (text === "") found = "an empty text";
  else if (WHITE_SPACE.test(text)) found = "a text of white space";
  else if (!text.isWellFormed()) found = "a text with half of a surrogate pair";
  else return text;
  throw new RowsError(
    thing,
    found,
    "a string with more than white space",
    "Correct it or leave it out.",
  );
}

/**
 * Refuses what a model of single texts, or one of pairs, cannot classify.
 *
 * @throws {RowsError} `given` is not what the model reads, or a text of it is none.
 */
export function requireTextOrPair(given: unknown, thing: string, pairs: boolean): Text {
  const pair = typeof given === "object" && given !== null && "text_pair" in given ? given : null;
  if (pair !== null && pairs) {
    return {
      text: requireText((pair as Partial<TextPair>).text, thing),
      text_pair: requireText(pair.text_pair, `${thing}, the second of its pair`),
    };
  }
  if (pair !== null) {
    throw new RowsError(
      thing,
      "a pair of texts",
      "a single text, as the clean rows of this bundle were",
      "Leave the second text out if it is no part of the input, or calibrate the model on clean " +
        "rows with `text_pair`.",
    );
  }
  if (pairs) {
    throw new RowsError(
      thing,
      typeof given === "string" ? "a single text" : `a value of the type ${typeof given}`,
      "a pair of texts, which this bundle's model reads",
      "Pass {text, text_pair}.",
    );
  }
  return requireText(given, thing);
}
