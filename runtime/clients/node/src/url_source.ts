import { BundleError } from "./errors.js";
import type { Source } from "./source.js";

/** A bundle on a web server, below a base address. */
export class UrlSource implements Source {
  readonly name: string;

  constructor(base: string | URL) {
    this.name = String(base).replace(/\/+$/, "");
  }

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const address = `${this.name}/${path}`;
    try {
      const response = await fetch(address);
      if (response.status === 404) return undefined;
      if (!response.ok) throw new Error(`status ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      throw new BundleError(
        address,
        `a file that cannot be fetched (${(error as Error).message})`,
        "a file of the bundle",
        "Check the address, and that the server lets this page fetch from it.",
        { cause: error },
      );
    }
  }
}
