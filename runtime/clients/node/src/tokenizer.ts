import { Tokenizer } from "@huggingface/tokenizers";

import { BundleError } from "./errors.js";
import { amendNormalizer } from "./normalizer.js";

/** No vocabulary in use has a longer token: a text is read as far as its tokens can reach. */
const CHARACTERS_PER_TOKEN = 256;

/** The token ids of one text. */
export interface Encoded {
  /** What the model sees, special tokens included, at most the bundle's `max_length`. */
  readonly ids: number[];
  /** Whether the model sees less than the whole text. */
  readonly truncated: boolean;
}

/** The tokenizer of a bundle, with the bundle's truncation. */
export class BundleTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #before: number[];
  readonly #after: number[];
  readonly #room: number;
  readonly #readable: number;

  /**
   * @param bytes a `tokenizer.json`.
   * @param where its name in error messages.
   * @param maxLength tokens, special ones included, after which a text is truncated.
   * @throws {BundleError} the file is not a tokenizer that this client can read, or `maxLength` has
   *   no room for a token.
   */
  constructor(bytes: Uint8Array, where: string, maxLength: number) {
    try {
      const description = JSON.parse(new TextDecoder().decode(bytes)) as object;
      // Like the Python runtime, without tokenizer_config.json: tokenizer.json says everything.
      this.#tokenizer = new Tokenizer(description, {});
      amendNormalizer(this.#tokenizer);
      [this.#before, this.#after] = this.#special();
    } catch (error) {
      throw new BundleError(
        where,
        `a tokenizer that cannot be read (${(error as Error).message})`,
        "a tokenizer.json that the package @huggingface/tokenizers reads",
        "Get an unchanged copy, or use the Python runtime for this bundle.",
        { cause: error },
      );
    }
    const special = this.#before.length + this.#after.length;
    this.#room = maxLength - special;
    this.#readable = CHARACTERS_PER_TOKEN * maxLength;
    if (this.#room < 1) {
      throw new BundleError(
        where,
        `${special} special tokens around a text`,
        `fewer than the manifest's \`max_length\`, ${maxLength}`,
        "Export the bundle again with a longer `max_length`.",
      );
    }
  }

  /** Encodes a text of valid Unicode. */
  encode(text: string): Encoded {
    const read = beginning(text, this.#readable);
    const ids = this.#bare(read);
    return {
      ids: [...this.#before, ...ids.slice(0, this.#room), ...this.#after],
      truncated: ids.length > this.#room || read.length < text.length,
    };
  }

  #bare(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /** The special tokens before and after a text, read off a text that has none in it. */
  #special(): [number[], number[]] {
    const bare = this.#bare("a");
    const whole = this.#tokenizer.encode("a").ids;
    const start = whole.findIndex((_, at) => bare.every((id, place) => id === whole[at + place]));
    if (bare.length === 0 || start === -1) throw new Error("it has no tokens for the letter a");
    return [whole.slice(0, start), whole.slice(start + bare.length)];
  }
}

/** The first `count` characters, of which JavaScript counts some as two. */
function beginning(text: string, count: number): string {
  if (text.length <= count) return text;
  return Array.from(text.slice(0, 2 * count))
    .slice(0, count)
    .join("");
}
