/** Special tokens that stand together. */
interface Special {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

/** Token ids and their token types, as many. */
export interface Row {
  readonly ids: number[];
  readonly types: number[];
}

/** What a tokenizer puts around two texts. */
export class PairFrame {
  readonly #before: Special;
  readonly #between: Special;
  readonly #behind: Special;
  readonly #types: readonly [number, number];

  /**
   * @param row what the tokenizer makes of a pair of short texts.
   * @param first what it makes of the first one, without special tokens.
   * @param second the same of the second one, which has other tokens.
   */
  constructor(row: Row, first: readonly number[], second: readonly number[]) {
    const start = indexOf(row.ids, first, 0);
    const next = indexOf(row.ids, second, start + first.length);
    if (first.length === 0 || second.length === 0 || start === -1 || next === -1) {
      throw new Error("it does not read a pair of the letters a and b");
    }
    const part = (from: number, to?: number) => ({
      ids: row.ids.slice(from, to),
      types: row.types.slice(from, to),
    });
    this.#before = part(0, start);
    this.#between = part(start + first.length, next);
    this.#behind = part(next + second.length);
    this.#types = [row.types[start]!, row.types[next]!];
    if (this.#between.ids.length === 0) throw new Error("nothing parts two texts");
  }

  /** How many special tokens there are. */
  get special(): number {
    return this.#before.ids.length + this.#between.ids.length + this.#behind.ids.length;
  }

  /** The row of two texts, of which the ids of each are given. */
  row(first: readonly number[], second: readonly number[]): Row {
    const [one, two] = this.#types;
    return {
      ids: [...this.#before.ids, ...first, ...this.#between.ids, ...second, ...this.#behind.ids],
      types: [
        ...this.#before.types,
        ...first.map(() => one),
        ...this.#between.types,
        ...second.map(() => two),
        ...this.#behind.types,
      ],
    };
  }
}

/**
 * Cuts the longer one of two texts, and both where both are longer than half of the room, as
 * `longest_first` of the Python package `tokenizers` does.
 *
 * @param room tokens of both together at most.
 * @param left whether the beginnings are cut off.
 */
export function shorten(
  first: readonly number[],
  second: readonly number[],
  room: number,
  left: boolean,
): [readonly number[], readonly number[]] {
  if (first.length + second.length <= room) return [first, second];
  const less = Math.min(first.length, second.length, Math.floor(room / 2));
  const shorter = first.length <= second.length ? 0 : 1;
  const cut = (ids: readonly number[], place: number) => {
    const count = place === shorter ? less : room - less;
    return left ? ids.slice(ids.length - count) : ids.slice(0, count);
  };
  return [cut(first, 0), cut(second, 1)];
}

function indexOf(row: readonly number[], part: readonly number[], from: number): number {
  for (let at = from; at + part.length <= row.length; at++) {
    if (part.every((id, place) => id === row[at + place])) return at;
  }
  return -1;
}
