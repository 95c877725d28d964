import { constants, open, readdir, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { BundleError } from "./errors.js";
import { MANIFEST_FILE } from "./manifest.js";
import type { Entry, Source } from "./source.js";

/** What a link to nothing and a link to itself end with, too. */
const ABSENCES = ["ENOENT", "ENOTDIR", "ELOOP"];

/** A bundle in a folder. */
export class FolderSource implements Source {
  constructor(readonly name: string) {}

  async read(path: string, most = Infinity): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = join(this.name, path);
    try {
      // Before it is opened, which alone may do something where it is a device.
      if (!(await isFile(file))) return undefined;
      if (!(await leadsInto(await realpath(this.name), file))) {
        throw new BundleError(
          file,
          "a link that leaves the folder",
          "the bundle's own file",
          "Get an unchanged copy of the bundle, or copy it out of a cache whole.",
        );
      }
      return await readRegular(file, most);
    } catch (error) {
      if (error instanceof BundleError) throw error;
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
            const link = entry.isSymbolicLink();
            return {
              path: relative(root, file).split(sep).join("/"),
              outside: link && !(await leadsInto(root, file)),
              special: !(link ? await isFile(file) : entry.isFile()),
            };
          }),
      );
    } catch (error) {
      throw unreadable(this.name, error);
    }
  }

  async state(): Promise<string | undefined> {
    try {
      const found = await stat(join(this.name, MANIFEST_FILE), { bigint: true });
      return [found.dev, found.ino, found.mtimeNs, found.size].join(" ");
    } catch {
      return undefined;
    }
  }
}

/** The bytes of a regular file; undefined where it is no such file any more. */
async function readRegular(
  file: string,
  most: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  // Windows has no pipes in folders, and no such flag; elsewhere opening one would wait for ever.
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await handle.stat();
    if (!found.isFile()) return undefined;
    if (found.size <= most) return new Uint8Array(await handle.readFile());
    const { buffer, bytesRead } = await handle.read(new Uint8Array(most + 1), 0, most + 1, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

async function leadsInto(root: string, link: string): Promise<boolean> {
  try {
    return (await realpath(link)).startsWith(root.endsWith(sep) ? root : root + sep);
  } catch (error) {
    // A link to nothing leads nowhere at all.
    if (isAbsence(error)) return false;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return ABSENCES.includes((error as NodeJS.ErrnoException).code ?? "");
}

function unreadable(file: string, error: unknown): BundleError {
  return new BundleError(
    file,
    `a file that cannot be read (${(error as Error).message})`,
    "readable files of at most 2 GiB",
    "Give yourself permission to read the bundle, or run a larger one in Python.",
    { cause: error },
  );
}
