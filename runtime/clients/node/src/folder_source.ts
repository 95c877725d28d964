import { createHash } from "node:crypto";
import { constants, open, readdir, realpath, stat, type FileHandle } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { BundleError } from "./errors.js";
import { MANIFEST_FILE } from "./manifest.js";
import type { Entry, Source } from "./source.js";

/** What a link to nothing and a link to itself end with, too. */
const ABSENCES = ["ENOENT", "ENOTDIR", "ELOOP"];

/** Bytes: Node neither reads nor digests 2 GiB at once. */
const PIECE = 2 ** 30;

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

  digest(bytes: Uint8Array<ArrayBuffer>): string {
    const hash = createHash("sha256");
    for (let start = 0; start < bytes.length; start += PIECE) {
      hash.update(bytes.subarray(start, start + PIECE));
    }
    return `sha256:${hash.digest("hex")}`;
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
    return await beginning(handle, Math.min(found.size, most + 1));
  } finally {
    await handle.close();
  }
}

/** The first bytes of a file, or all where it has fewer. */
async function beginning(handle: FileHandle, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(bytes, read, Math.min(PIECE, length - read), read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
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
    "readable files that fit into memory",
    "Give yourself permission to read the bundle, or run one that is too large in Python.",
    { cause: error },
  );
}
