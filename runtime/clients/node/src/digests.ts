import { BundleError, ProviderError } from "./errors.js";

/** What a digest in the manifest looks like. */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

const MOST = 2 ** 31 - 1;

/**
 * The SHA-256 digest of bytes: `sha256:` and 64 lower-case hexadecimal digits.
 *
 * @throws {BundleError} they are more than the platform digests at once.
 */
export async function digestOf(bytes: Uint8Array<ArrayBuffer>, where: string): Promise<string> {
  if (bytes.length > MOST) {
    throw new BundleError(
      where,
      `${bytes.length} bytes`,
      `at most ${MOST}, which browsers digest`,
      "Run the bundle in Node or Python, or export one in fp16 or int8.",
    );
  }
  if (globalThis.crypto?.subtle === undefined) {
    throw new ProviderError(
      "the page",
      "an address that is not secure, where browsers offer no SHA-256",
      "https, or localhost",
      "Serve the page over https.",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
