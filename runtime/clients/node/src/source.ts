import type { digestOf } from "./digests.js";

/** A place that holds a bundle. */
export interface Source {
  /** Its name in error messages. */
  readonly name: string;

  /**
   * Reads one file.
   *
   * @param path relative to the bundle, with `/`.
   * @param most bytes that the file may have: of a longer one more than these are enough, and it
   *   need not be read whole.
   * @returns its bytes; undefined where there is no such file.
   */
  read(path: string, most?: number): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /** The SHA-256 digest of bytes where these can be more than {@link digestOf} takes. */
  digest?(bytes: Uint8Array<ArrayBuffer>): string;

  /** Everything in the place but folders. Absent where it cannot be known, as on a web server. */
  list?(): Promise<Entry[]>;

  /**
   * What tells the bundle that lies there from one that takes its place; undefined where there is
   * none. Absent where it cannot be known.
   */
  state?(): Promise<string | undefined>;
}

/** Something in a place that holds a bundle. */
export interface Entry {
  /** Relative to the bundle, with `/`. */
  readonly path: string;
  /** Whether it is a symbolic link that leaves the bundle. */
  readonly outside: boolean;
  /** Whether it is neither a file nor a link to one, such as a pipe, which is never read. */
  readonly special?: boolean;
}
