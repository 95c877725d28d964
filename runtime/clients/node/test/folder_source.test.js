import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { renameSync } from "node:fs";
import { cp, open, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { BundleError, DefendedClassifier } from "clampdown";

import { digestOf } from "../dist/digests.js";
import { FolderSource } from "../dist/folder_source.js";
import { bundle, changeManifest, copyOf, readJson, replaceFile } from "./bundles.js";

test("of a file that is too long only its beginning is read", async (t) => {
  const folder = await copyOf(t);
  const file = join(folder, "config.json");
  await writeFile(file, "x".repeat(100));
  const source = new FolderSource(folder);
  assert.equal((await source.read("config.json", 100)).length, 100);
  assert.equal((await source.read("config.json", 10)).length, 11);
});

test("a file of more than 2 GiB is read whole and digested", async (t) => {
  const folder = await copyOf(t);
  const file = await open(join(folder, "config.json"), "w");
  await file.truncate(2 ** 31 + 1);
  await file.write("x", 2 ** 31);
  await file.close();
  const source = new FolderSource(folder);
  const bytes = await source.read("config.json");
  assert.deepEqual([bytes.length, bytes.at(-1)], [2 ** 31 + 1, "x".charCodeAt(0)]);
  const sum = execFileSync("sha256sum", [join(folder, "config.json")], { encoding: "utf8" });
  assert.equal(source.digest(bytes), `sha256:${sum.slice(0, 64)}`);
  await assert.rejects(digestOf(bytes, "weights"), (error) => {
    assert.ok(error instanceof BundleError, String(error));
    assert.match(error.message, /weights: found 2147483649 bytes; expected at most 2147483647/);
    return true;
  });
});

test("links that leave the folder and what is no file are not read", async (t) => {
  const folder = await copyOf(t);
  const source = new FolderSource(folder);
  execFileSync("mkfifo", [join(folder, "pipe"), join(folder, "..", "outside")]);
  await writeFile(join(folder, "..", "file"), "x");
  await symlink("../outside", join(folder, "pipe elsewhere"));
  await symlink("../file", join(folder, "file elsewhere"));
  await symlink("/dev/zero", join(folder, "device"));
  await symlink("loop", join(folder, "loop"));
  for (const name of [
    "pipe",
    "pipe elsewhere",
    "device",
    "loop",
    "onnx",
    "nothing",
    "config.json/x",
  ]) {
    assert.equal(await source.read(name), undefined, name);
  }
  await assert.rejects(source.read("file elsewhere"), /found a link that leaves the folder/);
  await assert.rejects(source.read("../file"), /found a link that leaves the folder/);
  const listed = Object.fromEntries((await source.list()).map((entry) => [entry.path, entry]));
  assert.deepEqual(listed.pipe, { path: "pipe", outside: false, special: true });
  assert.deepEqual(listed.device, { path: "device", outside: true, special: true });
  assert.deepEqual(listed["config.json"], { path: "config.json", outside: false, special: false });
});

test("a bundle that takes another one's place is loaded whole", async (t) => {
  const folder = await copyOf(t);
  const next = `${folder}-next`;
  const old = `${folder}-old`;
  let going = true;
  /** As where two folders cannot be exchanged: for a moment there is none. */
  const replacing = (async () => {
    for (let version = 1; going; version++) {
      await cp(bundle, next, { recursive: true });
      await changeManifest(next, (manifest) => {
        manifest.clampdown_version = String(version);
        manifest.files["extra.txt"] = manifest.files["config.json"];
      });
      await cp(join(next, "config.json"), join(next, "extra.txt"));
      renameSync(folder, old);
      renameSync(next, folder);
      await rm(old, { recursive: true });
    }
  })();
  try {
    const versions = [];
    for (let times = 0; times < 20; times++) {
      versions.push((await DefendedClassifier.load(folder)).manifest.clampdown_version);
    }
    assert.ok(new Set(versions).size > 1, String(versions));
  } finally {
    going = false;
    await replacing;
  }
});

test("files of a bundle that has been replaced meanwhile are no mixture", async (t) => {
  const folder = await copyOf(t);
  const next = `${folder}-next`;
  await cp(folder, next, { recursive: true });
  await replaceFile(next, "config.json", "{}");
  const source = new (class extends FolderSource {
    replaced = false;

    async read(path, most) {
      if (path === "config.json" && !this.replaced) {
        this.replaced = true;
        renameSync(folder, `${folder}-old`);
        renameSync(next, folder);
      }
      return super.read(path, most);
    }
  })(folder);
  const { files } = (await DefendedClassifier.load(source)).manifest;
  assert.deepEqual(files, (await readJson(folder, "clampdown.json")).files);
  assert.notEqual(
    files["config.json"],
    (await readJson(bundle, "clampdown.json")).files["config.json"],
  );
});

test("a file that changes while the manifest stays is refused", async (t) => {
  const folder = await copyOf(t);
  await writeFile(join(folder, "config.json"), "{}");
  let states = 0;
  const source = new (class extends FolderSource {
    async state() {
      states += 1;
      return super.state();
    }
  })(folder);
  await assert.rejects(DefendedClassifier.load(source), /config\.json \(different\)/);
  assert.equal(states, 2);
});
