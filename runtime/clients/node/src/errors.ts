/** Base of every error that the client throws on purpose. */
export class ClampdownError extends Error {
  readonly thing: string;
  readonly found: string;
  readonly expected: string;
  readonly hint: string;

  /**
   * @param thing what is wrong, named as the caller knows it (a file, a text).
   * @param found what was found there.
   * @param expected what was expected instead.
   * @param hint what the caller can do about it.
   */
  constructor(
    thing: string,
    found: string,
    expected: string,
    hint: string,
    options?: ErrorOptions,
  ) {
    const [what, was, wanted, action] = [thing, found, expected, hint].map(encodable);
    super(`${what}: found ${was}; expected ${wanted}. ${action}`, options);
    this.thing = what!;
    this.found = was!;
    this.expected = wanted!;
    this.hint = action!;
    this.name = new.target.name;
  }
}

/** Keys of JSON can hold half of a surrogate pair, of which UTF-8 makes another character. */
function encodable(text: string): string {
  return text.replace(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
}

/** A bundle is damaged, incomplete, changed, or of a version that this client cannot read. */
export class BundleError extends ClampdownError {}

/** A text, or a row of token ids, cannot be classified. */
export class RowsError extends ClampdownError {}

/** ONNX Runtime, or what it needs of the platform, is not usable. */
export class ProviderError extends ClampdownError {}
