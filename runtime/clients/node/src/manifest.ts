import * as v from "valibot";

import { DIGEST } from "./digests.js";
import { TEXT, readObject, refusal } from "./strict_json.js";

export const MANIFEST_FILE = "clampdown.json";
/** OpenSSF's name for it. It signs the manifest, which cannot list it therefore. */
export const SIGNATURE_FILE = "model.sig";
/** Bytes; one of a thousand files, layers and classes each has a fiftieth of it. */
export const LARGEST_MANIFEST = 2 ** 24;
export const TOKENIZER_FILE = "tokenizer.json";
export const GOLDEN_FILE = "golden.json";
const CALIBRATION_FILE = "calibration.safetensors";
const REQUIRED_FILES = [
  "config.json",
  TOKENIZER_FILE,
  "tokenizer_config.json",
  CALIBRATION_FILE,
  GOLDEN_FILE,
];
const MODEL_FILES = {
  fp32: "onnx/model.onnx",
  fp16: "onnx/model_fp16.onnx",
  int8: "onnx/model_quantized.onnx",
  "cuda-fp32": "onnx/model_cuda_fp32.onnx",
  "cuda-fp16": "onnx/model_cuda_fp16.onnx",
} as const;
const FORMAT_VERSION = 2;

const count = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
const number = v.pipe(v.number(), v.finite());
const share = v.pipe(number, v.minValue(0), v.maxValue(1));
const digest = v.pipe(v.string(), v.regex(DIGEST));
/** Valibot takes a list for a map, and leaves out these keys without a word. */
const map = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value), "an object, not a list"),
  v.check(
    (value) =>
      !["__proto__", "prototype", "constructor"].some((key) => Object.hasOwn(Object(value), key)),
    "no key of the name __proto__, prototype or constructor",
  ),
);
const names = v.pipe(
  v.array(TEXT),
  v.minLength(1),
  v.check((list) => new Set(list).size === list.length, "no name twice"),
);

export const SCHEMA = v.strictObject({
  format_version: v.picklist([1, 2]),
  clampdown_version: TEXT,
  mode: v.picklist(["detect-then-purify", "purify", "detect"]),
  precision: v.picklist(["fp32", "fp16", "int8", "cuda-fp32", "cuda-fp16"]),
  model: v.strictObject({ name: TEXT, model_type: TEXT, digest }),
  labels: names,
  inputs: v.pipe(
    v.array(v.picklist(["input_ids", "attention_mask", "token_type_ids"])),
    v.check((list) => new Set(list).size === list.length, "no name twice"),
    v.includes("input_ids"),
    v.includes("attention_mask"),
  ),
  max_length: count(1),
  truncation_side: v.optional(v.picklist(["right", "left"])),
  text_pair: v.optional(v.boolean()),
  problem_type: v.optional(
    v.picklist(["single_label_classification", "multi_label_classification"]),
  ),
  padding: v.strictObject({
    side: v.picklist(["right", "left"]),
    token_id: count(0),
    type_id: count(0),
  }),
  layers: names,
  representation: v.picklist(["first", "last"]),
  detector: v.picklist(["excess", "nas", "fusion", "mahalanobis"]),
  threshold: number,
  frr: v.nullable(share),
  frr_measured: share,
  calibration_digest: digest,
  versions: v.pipe(map, v.record(TEXT, TEXT)),
  files: v.pipe(
    map,
    v.record(
      v.pipe(TEXT, v.check(isInside, "a path inside the bundle, without hidden files")),
      digest,
    ),
  ),
});

/** Everything in `clampdown.json`; the bundle's specification says what each key means. */
export type Manifest = v.InferOutput<typeof SCHEMA>;

/** What a shorter row is filled up with, and on which side. */
export type Padding = Manifest["padding"];

/** An input of the graph that the tokenizer feeds. */
export type InputName = Manifest["inputs"][number];

/**
 * Reads a manifest.
 *
 * @throws {BundleError} the bytes are not a manifest of a version that this client reads.
 */
export function readManifest(bytes: Uint8Array, where: string): Manifest {
  const manifest = readObject(bytes, where, FORMAT_VERSION, SCHEMA);
  requireKeysOfVersion(manifest, where);
  const { files } = manifest;
  for (const name of [MANIFEST_FILE, SIGNATURE_FILE]) {
    if (!Object.hasOwn(files, name)) continue;
    throw refusal(`${where}, \`files\``, name, "every file but manifest and signature");
  }
  const missing = [...REQUIRED_FILES, modelFile(manifest)].filter(
    (path) => !Object.hasOwn(files, path),
  );
  if (missing.length > 0) {
    throw refusal(`${where}, \`files\``, `no ${missing.join(", ")}`, "the files of a bundle");
  }
  if (manifest.calibration_digest !== files[CALIBRATION_FILE]) {
    throw refusal(
      `${where}, \`calibration_digest\``,
      manifest.calibration_digest,
      `the digest of ${CALIBRATION_FILE} under \`files\``,
    );
  }
  return manifest;
}

const SINCE_2 = ["truncation_side", "text_pair", "problem_type"] as const;

/** Version 2 has these keys and version 1 has not. */
function requireKeysOfVersion(manifest: Manifest, where: string): void {
  for (const key of SINCE_2) {
    const found = manifest[key];
    if ((found !== undefined) === manifest.format_version > 1) continue;
    throw refusal(
      `${where}, \`${key}\``,
      String(found ?? "nothing"),
      `${found === undefined ? "a value" : "no such key"} in format version ${manifest.format_version}`,
    );
  }
}

/** The graph's path in the bundle. */
export function modelFile(manifest: Manifest): string {
  return MODEL_FILES[manifest.precision];
}

/** Where the weights lie, in the bundle; undefined where they are in the graph's own file. */
export function weightsFile(manifest: Manifest): string | undefined {
  const name = `${modelFile(manifest)}_data`;
  return Object.hasOwn(manifest.files, name) ? name : undefined;
}

/** A part that begins with a dot is `.`, `..` or hidden; an empty one begins or ends with `/`. */
function isInside(path: string): boolean {
  return !/[\\:\0]/.test(path) && path.split("/").every((part) => /^[^.]/.test(part));
}
