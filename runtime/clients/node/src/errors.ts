/** Base of every error that the client throws on purpose. */
export class ClampdownError extends Error {
  /**
   * @param thing what is wrong, named as the caller knows it (a file, a text).
   * @param found what was found there.
   * @param expected what was expected instead.
   * @param hint what the caller can do about it.
   */
  constructor(
    readonly thing: string,
    readonly found: string,
    readonly expected: string,
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(`${thing}: found ${found}; expected ${expected}. ${hint}`, options);
    this.name = new.target.name;
  }
}

/** A bundle is damaged, incomplete, changed, or of a version that this client cannot read. */
export class BundleError extends ClampdownError {}

/** A text, or a row of token ids, cannot be classified. */
export class RowsError extends ClampdownError {}

/** ONNX Runtime, or what it needs of the platform, is not usable. */
export class ProviderError extends ClampdownError {}
