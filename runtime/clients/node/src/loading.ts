import { openBundle, type Bundle } from "./bundle.js";
import { BundleError } from "./errors.js";
import { requireGoldenIds } from "./golden.js";
import { GOLDEN_FILE, TOKENIZER_FILE, modelFile } from "./manifest.js";
import type { Runtime, Session, SessionOptions } from "./runtime.js";
import type { Source } from "./source.js";
import { BundleTokenizer } from "./tokenizer.js";

/** The graph's outputs, in its order. */
export const OUTPUTS = ["logits", "anomaly_score", "flagged"];

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
  options: Omit<SessionOptions, "logSeverityLevel">,
  expectedDigest?: string,
): Promise<Loaded> {
  const bundle = await openBundle(source, expectedDigest);
  const tokenizer = new BundleTokenizer(
    bundle.tokenizer,
    `${bundle.name}/${TOKENIZER_FILE}`,
    bundle.manifest.max_length,
  );
  requireGoldenIds(bundle.golden, `${bundle.name}/${GOLDEN_FILE}`, tokenizer);
  const session = await createSession(bundle, runtime, options);
  return { runtime, bundle, tokenizer, session };
}

async function createSession(
  bundle: Bundle,
  runtime: Runtime,
  options: Omit<SessionOptions, "logSeverityLevel">,
): Promise<Session> {
  const where = `${bundle.name}/${modelFile(bundle.manifest)}`;
  let session: Session;
  try {
    // Errors only: every load warns that `threshold` is an initializer and an input.
    session = await runtime.InferenceSession.create(bundle.model, {
      ...options,
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new BundleError(
      where,
      `a file that ONNX Runtime cannot load (${(error as Error).message})`,
      "a whole ONNX graph that this ONNX Runtime supports",
      "Get an unchanged copy, or upgrade ONNX Runtime.",
      { cause: error },
    );
  }
  const found = signature(session.inputNames, session.outputNames);
  const expected = signature(bundle.manifest.inputs, OUTPUTS);
  if (found !== expected) throw new BundleError(where, found, expected, "Export the bundle again.");
  return session;
}

function signature(inputs: readonly string[], outputs: readonly string[]): string {
  return `inputs ${inputs.join(", ")}, outputs ${outputs.join(", ")}`;
}
