import { openBundle, type Bundle } from "./bundle.js";
import { requireGoldenIds } from "./golden.js";
import { GOLDEN_FILE, TOKENIZER_FILE } from "./manifest.js";
import type { Runtime, Session, SessionOptions } from "./runtime.js";
import { createSession } from "./session.js";
import type { Source } from "./source.js";
import { BundleTokenizer } from "./tokenizer.js";

/** A bundle that is verified and ready to run. */
export interface Loaded {
  readonly runtime: Runtime;
  readonly bundle: Bundle;
  readonly tokenizer: BundleTokenizer;
  readonly session: Session;
}

/**
 * Verifies a bundle and loads it.
 *
 * @param expectedDigest see {@link openBundle}.
 * @throws {BundleError} the bundle is damaged, incomplete or changed, or its tokenizer is not one
 *   that this client reads as it was meant.
 */
export async function loadBundle(
  source: Source,
  runtime: Runtime,
  options: Omit<SessionOptions, "logSeverityLevel" | "externalData">,
  expectedDigest?: string,
): Promise<Loaded> {
  const bundle = await openBundle(source, expectedDigest);
  const tokenizer = new BundleTokenizer(
    bundle.tokenizer,
    `${bundle.name}/${TOKENIZER_FILE}`,
    bundle.manifest.max_length,
    bundle.manifest.truncation_side,
    bundle.manifest.text_pair,
  );
  requireGoldenIds(bundle.golden, `${bundle.name}/${GOLDEN_FILE}`, tokenizer);
  const session = await createSession(bundle, runtime, options);
  return { runtime, bundle, tokenizer, session };
}
