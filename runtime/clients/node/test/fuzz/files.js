import { createHash } from "node:crypto";
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const MANIFEST = "clampdown.json";

/** The regular files below a folder, by their paths in it. */
export function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** A copy that shares its files with the original: {@link overwrite} them, never write into them. */
export function shareFolder(original, folder) {
  for (const name of filesOf(original)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    linkSync(join(original, name), join(folder, name));
  }
}

export function overwrite(file, data) {
  rmSync(file, { force: true });
  writeFileSync(file, data);
}

/** Writes the digests of files into the manifest; lists those that it did not. */
export function seal(folder, names) {
  const manifest = JSON.parse(readFileSync(join(folder, MANIFEST), "utf8"));
  for (const name of names) {
    if (name === MANIFEST || name === "model.sig") continue;
    const digest = createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
    manifest.files[name] = `sha256:${digest}`;
  }
  manifest.calibration_digest = manifest.files["calibration.safetensors"];
  overwrite(join(folder, MANIFEST), JSON.stringify(manifest));
}
