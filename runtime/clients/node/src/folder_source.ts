import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { BundleError } from "./errors.js";
import type { Entry, Source } from "./source.js";

/** A bundle in a folder. */
export class FolderSource implements Source {
  constructor(readonly name: string) {}

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = join(this.name, path);
    try {
      // Only a regular file is read: reading a pipe would wait for ever.
      return (await stat(file)).isFile() ? new Uint8Array(await readFile(file)) : undefined;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw unreadable(file, error);
    }
  }

  async list(): Promise<Entry[]> {
    try {
      const root = await realpath(this.name);
      const found = await readdir(root, { recursive: true, withFileTypes: true });
      return await Promise.all(
        found
          .filter((entry) => !entry.isDirectory())
          .map(async (entry) => {
            const file = join(entry.parentPath, entry.name);
            return {
              path: relative(root, file).split(sep).join("/"),
              outside: entry.isSymbolicLink() && !(await leadsInto(root, file)),
            };
          }),
      );
    } catch (error) {
      throw unreadable(this.name, error);
    }
  }
}

async function leadsInto(root: string, link: string): Promise<boolean> {
  try {
    return (await realpath(link)).startsWith(root + sep);
  } catch (error) {
    // A link to nothing leads nowhere at all.
    if (isAbsence(error)) return false;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function unreadable(file: string, error: unknown): BundleError {
  return new BundleError(
    file,
    `a file that cannot be read (${(error as Error).message})`,
    "readable files",
    "Give yourself permission to read the bundle.",
    { cause: error },
  );
}
