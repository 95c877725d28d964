import { digestOf } from "./digests.js";
import { BundleError } from "./errors.js";
import {
  GOLDEN_FILE,
  LARGEST_MANIFEST,
  MANIFEST_FILE,
  SIGNATURE_FILE,
  TOKENIZER_FILE,
  modelFile,
  readManifest,
  weightsFile,
  type Manifest,
} from "./manifest.js";
import type { Entry, Source } from "./source.js";

const SHOWN_DIFFERENCES = 5;

/** A verified bundle: its manifest, and the very bytes whose digests were verified. */
export interface Bundle {
  readonly name: string;
  readonly manifest: Manifest;
  readonly model: Uint8Array;
  /** The file beside the graph that holds its weights, by the name that the graph has for it. */
  readonly weights?: { readonly path: string; readonly data: Uint8Array };
  readonly tokenizer: Uint8Array;
  readonly golden: Uint8Array;
}

/**
 * Reads a bundle and verifies the digest of every file, or, where the place cannot be listed, of
 * every file that is used.
 *
 * Where another bundle takes its place meanwhile, as when its threshold is moved, it begins again
 * with that one.
 *
 * @param expectedDigest `sha256:…` of the manifest, got from whom the bundle is from; it stands for
 *   the whole bundle.
 * @throws {BundleError} there is no bundle, its manifest is not valid or not the one expected, or
 *   files are missing, extra, different or outside; the message names them.
 */
export async function openBundle(source: Source, expectedDigest?: string): Promise<Bundle> {
  for (;;) {
    const before = await source.state?.();
    try {
      return await readBundle(source, expectedDigest);
    } catch (error) {
      if (!(error instanceof BundleError) || (await source.state?.()) === before) throw error;
    }
  }
}

async function readBundle(source: Source, expectedDigest?: string): Promise<Bundle> {
  const { name } = source;
  const written = await source.read(MANIFEST_FILE, LARGEST_MANIFEST);
  if (written === undefined) {
    throw new BundleError(
      name,
      `no ${MANIFEST_FILE}`,
      "a bundle: a folder that Clampdown wrote",
      `Pass the folder that holds ${MANIFEST_FILE}.`,
    );
  }
  if (written.length > LARGEST_MANIFEST) {
    throw new BundleError(
      `${name}/${MANIFEST_FILE}`,
      `more than ${LARGEST_MANIFEST} bytes`,
      "a manifest",
      "Get an unchanged copy of the bundle, or export it again.",
    );
  }
  const digest = await digestOf(written, MANIFEST_FILE);
  if (expectedDigest !== undefined && expectedDigest !== digest) {
    throw new BundleError(
      `${name}/${MANIFEST_FILE}`,
      `the digest ${digest}`,
      expectedDigest,
      "This is another bundle than the one that was vouched for: do not run it.",
    );
  }
  const manifest = readManifest(written, `${name}/${MANIFEST_FILE}`);
  const used = { model: modelFile(manifest), tokenizer: TOKENIZER_FILE, golden: GOLDEN_FILE };
  const weights = weightsFile(manifest);
  const { contents, differences } = await compare(source, manifest, [
    ...Object.values(used),
    ...(weights === undefined ? [] : [weights]),
  ]);
  if (differences.length > 0) {
    const shown = differences.sort().slice(0, SHOWN_DIFFERENCES).join(", ");
    const left = differences.length - SHOWN_DIFFERENCES;
    throw new BundleError(
      name,
      left > 0 ? `${shown} and ${left} more` : shown,
      `exactly the files that ${MANIFEST_FILE} lists, unchanged`,
      "Get an unchanged copy of the bundle, or export it again.",
    );
  }
  // Without differences every file that is used has been read.
  const bytes = (path: string) => contents.get(path) as Uint8Array;
  return {
    name,
    manifest,
    model: bytes(used.model),
    tokenizer: bytes(used.tokenizer),
    golden: bytes(used.golden),
    ...(weights === undefined
      ? {}
      : { weights: { path: weights.slice(weights.lastIndexOf("/") + 1), data: bytes(weights) } }),
  };
}

async function compare(
  source: Source,
  manifest: Manifest,
  used: string[],
): Promise<{ contents: Map<string, Uint8Array>; differences: string[] }> {
  const contents = new Map<string, Uint8Array>();
  const differences: string[] = [];
  const listed = await source.list?.();
  const present = new Set(listed?.map(({ path }) => path));
  const refused = new Set<string>();
  for (const entry of listed ?? []) {
    const { path, outside } = entry;
    if (!outside && (isUnlisted(entry) || Object.hasOwn(manifest.files, path))) continue;
    refused.add(path);
    differences.push(`${path} (${outside ? "outside" : "extra"})`);
  }
  // One after the other: the files that are not used need not be in memory together.
  for (const path of listed === undefined ? used : Object.keys(manifest.files)) {
    if (refused.has(path)) continue;
    const bytes = await source.read(path);
    const digest = bytes && (source.digest?.(bytes) ?? (await digestOf(bytes, path)));
    if (bytes !== undefined && digest === manifest.files[path]) {
      if (used.includes(path)) contents.set(path, bytes);
    } else {
      const there = bytes !== undefined || present.has(path);
      differences.push(`${path} (${there ? "different" : "missing"})`);
    }
  }
  return { contents, differences };
}

/** What a bundle may hold without listing it. */
function isUnlisted({ path, special }: Entry): boolean {
  return path === MANIFEST_FILE || (path === SIGNATURE_FILE && special !== true);
}
