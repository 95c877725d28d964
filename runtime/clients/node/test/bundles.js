/** What the tests share: the bundle that they run on, and copies of it that they may break. */

import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const bundle = process.env.CLAMPDOWN_BUNDLE;
if (!bundle) throw new Error("Set CLAMPDOWN_BUNDLE to the folder of a bundle.");

export async function readJson(folder, name) {
  return JSON.parse(await readFile(join(folder, name), "utf8"));
}

/** The graph's path in a bundle. */
export async function modelFile(folder) {
  const { files } = await readJson(folder, "clampdown.json");
  return Object.keys(files).find((path) => path.endsWith(".onnx"));
}

/** A copy of the bundle, removed when the test ends. */
export async function copyOf(t) {
  const folder = join(await mkdtemp(join(tmpdir(), "clampdown-")), "bundle");
  t.after(() => rm(join(folder, ".."), { recursive: true }));
  await cp(bundle, folder, { recursive: true });
  return folder;
}

/** Changes the manifest: `change` gets the object and may return a text to write instead. */
export async function changeManifest(folder, change) {
  const manifest = await readJson(folder, "clampdown.json");
  const text = change(manifest) ?? JSON.stringify(manifest);
  await writeFile(join(folder, "clampdown.json"), text);
}

/** Writes a file, and its digest into the manifest. */
export async function replaceFile(folder, name, text) {
  await writeFile(join(folder, name), text);
  const digest = createHash("sha256").update(text).digest("hex");
  await changeManifest(folder, ({ files }) => {
    files[name] = `sha256:${digest}`;
  });
}
