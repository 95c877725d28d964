/** A place that holds a bundle. */
export interface Source {
  /** Its name in error messages. */
  readonly name: string;

  /**
   * Reads one file.
   *
   * @param path relative to the bundle, with `/`.
   * @returns its bytes; undefined where there is no such file.
   */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /** Everything in the place but folders. Absent where it cannot be known, as on a web server. */
  list?(): Promise<Entry[]>;
}

/** Something in a place that holds a bundle. */
export interface Entry {
  /** Relative to the bundle, with `/`. */
  readonly path: string;
  /** Whether it is a symbolic link that leaves the bundle. */
  readonly outside: boolean;
}
