import { RowsError } from "./errors.js";

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
