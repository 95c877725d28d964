/** Draws that a name determines, so that every mutant can be made again. */
export class Random {
  #state;

  constructor(name) {
    // FNV-1a, which makes another seed of every name.
    this.#state = [...Buffer.from(name)].reduce(
      (hash, byte) => Math.imul(hash ^ byte, 0x01000193),
      0x811c9dc5,
    );
  }

  /** From 0 to 1, without 1: mulberry32. */
  number() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0 to `end`, without `end`. */
  below(end) {
    return Math.floor(this.number() * end);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  onceIn(times) {
    return this.below(times) === 0;
  }

  bytes(length) {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}
