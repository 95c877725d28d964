import type { Bundle } from "./bundle.js";
import { BundleError } from "./errors.js";
import { modelFile } from "./manifest.js";
import type { Metadata, Runtime, Session, SessionOptions, Tensor } from "./runtime.js";

/** The graph's outputs, in its order. */
export const OUTPUTS = ["logits", "anomaly_score", "flagged"] as const;

/**
 * Behind the others where the defence answers rows itself; graphs of earlier releases and of the
 * published method have no such output.
 */
export const UNDEFENDED_LOGITS = "undefended_logits";

/** Type and rank of every input and output. */
const KINDS: { readonly [name: string]: string } = {
  input_ids: kind("int64", 2),
  attention_mask: kind("int64", 2),
  token_type_ids: kind("int64", 2),
  logits: kind("float32", 2),
  anomaly_score: kind("float32", 1),
  flagged: kind("bool", 1),
  [UNDEFENDED_LOGITS]: kind("float32", 2),
};

/**
 * Creates the session of a bundle's graph.
 *
 * @throws {BundleError} the file is not a whole, valid ONNX graph, or its inputs and outputs are
 *   not those of a defended graph.
 */
export async function createSession(
  bundle: Bundle,
  runtime: Runtime,
  options: Omit<SessionOptions, "logSeverityLevel" | "externalData">,
): Promise<Session> {
  const where = `${bundle.name}/${modelFile(bundle.manifest)}`;
  let session: Session;
  try {
    // Fatal messages alone: a failure's text is in our error, and one in the log could hold what
    // moves a terminal's cursor. Every load warns that `threshold` is an initializer and an input.
    session = await runtime.InferenceSession.create(bundle.model, {
      ...options,
      logSeverityLevel: 4,
      // With a byte of no name at least, ONNX Runtime takes weights from these alone, and not from
      // the folder that the process happens to be in.
      externalData: [bundle.weights ?? { path: "", data: new Uint8Array(1) }],
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
  const given = session.outputNames.length > OUTPUTS.length && bundle.manifest.mode !== "detect";
  const more = given ? [UNDEFENDED_LOGITS] : [];
  const expected = signature(bundle.manifest.inputs, [...OUTPUTS, ...more]);
  if (found !== expected) throw notDefended(where, found, expected);
  const nodes = [...(session.inputMetadata ?? []), ...(session.outputMetadata ?? [])];
  for (const node of nodes) requireKind(where, node.name, kindOf(node));
  return session;
}

/** Refuses outputs of other types than a defended graph's, which not every release tells before. */
export function requireOutputTypes(
  where: string,
  names: readonly string[],
  outputs: readonly Tensor[],
): void {
  outputs.forEach(({ type, dims }, index) => {
    requireKind(where, names[index]!, kind(type, dims.length));
  });
}

function requireKind(where: string, name: string, found: string): void {
  const expected = KINDS[name]!;
  if (found !== expected) throw notDefended(where, `\`${name}\` as ${found}`, expected);
}

function kindOf({ type, shape }: Metadata): string {
  return type === undefined ? "no tensor" : kind(type, shape?.length ?? 0);
}

function kind(type: string, rank: number): string {
  return `${type} of ${rank} dimensions`;
}

function notDefended(where: string, found: string, expected: string): BundleError {
  return new BundleError(where, found, expected, "Export the bundle again.");
}

function signature(inputs: readonly string[], outputs: readonly string[]): string {
  return `inputs ${inputs.join(", ")}, outputs ${outputs.join(", ")}`;
}
