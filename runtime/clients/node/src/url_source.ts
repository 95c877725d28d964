import { BundleError } from "./errors.js";
import type { Source } from "./source.js";

/** A bundle on a web server, below a base address. */
export class UrlSource implements Source {
  readonly name: string;

  constructor(base: string | URL) {
    this.name = String(base).replace(/\/+$/, "");
  }

  async read(path: string, most = Infinity): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const address = `${this.name}/${path}`;
    try {
      const response = await fetch(address);
      if (response.status === 404) return undefined;
      if (!response.ok) throw new Error(`status ${response.status}`);
      if (most === Infinity) return new Uint8Array(await response.arrayBuffer());
      return await beginning(response, most);
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

/** The bytes of a response, which may be endless, as far as more than `most` of them. */
async function beginning(response: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (length <= most) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done) break;
    pieces.push(value);
    length += value.length;
  }
  await reader?.cancel();
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
