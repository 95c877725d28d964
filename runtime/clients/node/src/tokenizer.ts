import { Tokenizer } from "@huggingface/tokenizers";

import type { Windowing } from "./documents.js";
import { BundleError, ClampdownError } from "./errors.js";
import { amendNormalizer } from "./normalizer.js";
import { PairFrame, shorten } from "./pairs.js";
import type { Text, TextPair } from "./texts.js";
import { TokenizerBounds, requireEnds } from "./tokenizer_bounds.js";

/** No vocabulary in use has a longer token: a text is read as far as its tokens can reach. */
const CHARACTERS_PER_TOKEN = 256;

/** The token ids of one text, or of a pair. */
export interface Encoded {
  /** What the model sees, special tokens included, at most the bundle's `max_length`. */
  readonly ids: number[];
  /** Whether the model sees less than the whole text. */
  readonly truncated: boolean;
  /** Of a pair, the token type of each id. */
  readonly types?: number[];
}

/** A text in pieces that overlap. */
export interface Windows {
  /** The ids of each piece, special tokens included; at least one piece. */
  readonly ids: number[][];
  /** Whether they leave out a part of the text. */
  readonly truncated: boolean;
}

/** The tokenizer of a bundle, with the bundle's truncation. */
export class BundleTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #bounds: TokenizerBounds;
  readonly #where: string;
  readonly #before: number[] = [];
  readonly #after: number[] = [];
  readonly #frame: PairFrame | null = null;
  readonly #maxLength: number;
  readonly #room: number;
  readonly #left: boolean;
  /** How many special tokens stand around a text. */
  readonly special: number;
  /** How many characters of a text are read. */
  readonly readable: number;

  /**
   * @param bytes a `tokenizer.json`.
   * @param where its name in error messages.
   * @param maxLength tokens, special ones included, after which a text is truncated.
   * @param truncationSide the one that is cut off.
   * @param textPair whether it encodes pairs, and no single texts.
   * @throws {BundleError} the file is not a tokenizer that this client can read, or `maxLength` has
   *   no room for a token.
   */
  constructor(
    bytes: Uint8Array,
    where: string,
    maxLength: number,
    truncationSide: "right" | "left" = "right",
    textPair = false,
  ) {
    this.#where = where;
    this.#left = truncationSide === "left";
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      const description = JSON.parse(decoder.decode(bytes)) as object;
      requireEnds(description);
      // Like the Python runtime, without tokenizer_config.json: tokenizer.json says everything.
      this.#tokenizer = new Tokenizer(description, {});
      amendNormalizer(this.#tokenizer);
      this.#bounds = new TokenizerBounds(this.#tokenizer);
      if (textPair) this.#frame = this.#pairFrame();
      else [this.#before, this.#after] = this.#special();
    } catch (error) {
      throw new BundleError(
        where,
        `a tokenizer that cannot be read (${(error as Error).message})`,
        "a tokenizer.json that the package @huggingface/tokenizers reads",
        "Get an unchanged copy, or use the Python runtime for this bundle.",
        { cause: error },
      );
    }
    this.special = this.#frame?.special ?? this.#before.length + this.#after.length;
    this.#maxLength = maxLength;
    this.#room = maxLength - this.special;
    this.readable = CHARACTERS_PER_TOKEN * maxLength;
    if (this.#room < (textPair ? 2 : 1)) {
      throw new BundleError(
        where,
        `${this.special} special tokens around a ${textPair ? "pair" : "text"}`,
        `${textPair ? "at least two fewer" : "fewer"} than the manifest's \`max_length\`, ${maxLength}`,
        "Export the bundle again with a longer `max_length`.",
      );
    }
  }

  /** Whether it encodes pairs, and no single texts. */
  get textPair(): boolean {
    return this.#frame !== null;
  }

  /**
   * Encodes a text of valid Unicode, or a pair of such.
   *
   * @throws {BundleError} the tokenizer fails on it.
   */
  encode(text: Text): Encoded {
    if (typeof text !== "string") return this.#encodePair(text);
    const { ids, unread } = this.#read(text);
    const kept = this.#left ? ids.slice(-this.#room) : ids.slice(0, this.#room);
    return { ids: this.#framed(kept), truncated: ids.length > this.#room || unread };
  }

  /**
   * Encodes a text of valid Unicode in pieces that overlap, each with the special tokens around it.
   *
   * @throws {BundleError} the tokenizer fails on it.
   * @throws {ClampdownError} see {@link requireWindows}.
   */
  encodeInWindows(text: string, windowing: Windowing = {}): Windows {
    const { size, stride } = this.requireWindows(windowing);
    const room = size - this.special;
    const { ids, unread } = this.#read(text);
    const windows = [];
    for (let start = 0; start === 0 || start - stride + room < ids.length; start += stride) {
      windows.push(this.#framed(ids.slice(start, start + room)));
    }
    return { ids: windows, truncated: unread };
  }

  /**
   * Refuses windows that the model does not take or that leave something out.
   *
   * @returns the windowing with what was left out of it.
   * @throws {ClampdownError} `size` has no room for a token or exceeds `max_length`, or `stride`
   *   leaves a gap between two windows.
   */
  requireWindows({ size = this.#maxLength, stride }: Windowing): Required<Windowing> {
    const room = size - this.special;
    stride ??= Math.max(1, Math.floor(room / 2));
    const whole = Number.isSafeInteger(size) && Number.isSafeInteger(stride);
    if (!whole || room < 1 || room > this.#room || stride < 1 || stride > room) {
      throw new ClampdownError(
        "the windows",
        `${size} tokens and a stride of ${stride}`,
        `${this.special + 1} to ${this.#maxLength} tokens, and a stride of at least 1 and at ` +
          `most ${this.special} less`,
        "Pass other numbers, such as half as many for the stride.",
      );
    }
    return { size, stride };
  }

  #encodePair({ text, text_pair }: TextPair): Encoded {
    const first = this.#read(text);
    const second = this.#read(text_pair);
    const [one, two] = shorten(first.ids, second.ids, this.#room, this.#left);
    const cut = one.length < first.ids.length || two.length < second.ids.length;
    const { ids, types } = this.#frame!.row(one, two);
    return { ids, truncated: cut || first.unread || second.unread, types };
  }

  /** All tokens of what is read of a text, without special ones, and whether some is not read. */
  #read(text: string): { ids: number[]; unread: boolean } {
    const read = part(text, this.readable, this.#left);
    try {
      return { ids: this.#ids(read, false), unread: read.length < text.length };
    } catch (error) {
      throw new BundleError(
        this.#where,
        `a failure on a text (${(error as Error).message})`,
        "token ids for every text",
        "Repair the tokenizer of the model, such as an unknown token that its vocabulary lacks, " +
          "and export the bundle again.",
        { cause: error },
      );
    }
  }

  #framed(ids: number[]): number[] {
    return [...this.#before, ...ids, ...this.#after];
  }

  #ids(text: string, special: boolean): number[] {
    this.#bounds.start(text);
    return requireIds(this.#tokenizer.encode(text, { add_special_tokens: special }));
  }

  /** What stands around two texts, read off two short ones. */
  #pairFrame(): PairFrame {
    this.#bounds.start("ab");
    const row = this.#tokenizer.encode("a", { text_pair: "b", return_token_type_ids: true });
    const ids = requireIds(row);
    const types = row.token_type_ids ?? ids.map(() => 0);
    return new PairFrame({ ids, types }, this.#ids("a", false), this.#ids("b", false));
  }

  /** The special tokens before and after a text, read off a text that has none in it. */
  #special(): [number[], number[]] {
    const bare = this.#ids("a", false);
    const whole = this.#ids("a", true);
    const start = whole.findIndex((_, at) => bare.every((id, place) => id === whole[at + place]));
    if (bare.length === 0 || start === -1) throw new Error("it has no tokens for the letter a");
    return [whole.slice(0, start), whole.slice(start + bare.length)];
  }
}

function requireIds({ ids, tokens }: { ids: number[]; tokens: string[] }): number[] {
  const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 0);
  if (wrong === -1) return ids;
  throw new Error(`the id ${ids[wrong]} of the token ${JSON.stringify(tokens[wrong])}`);
}

/** The first or last `count` characters, of which JavaScript counts some as two. */
function part(text: string, count: number, last: boolean): string {
  if (text.length <= count) return text;
  const enough = Array.from(last ? text.slice(-2 * count) : text.slice(0, 2 * count));
  return (last ? enough.slice(-count) : enough.slice(0, count)).join("");
}
