import { ProviderError } from "./errors.js";

/** What a digest in the manifest looks like. */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The SHA-256 digest of bytes: `sha256:` and 64 lower-case hexadecimal digits. */
export async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
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
