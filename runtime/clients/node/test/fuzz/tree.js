/** Mutates a folder: files that are missing, too many, links, pipes, folders or oddly named. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { filesOf, overwrite } from "./files.js";

const NAMES = [
  "extra",
  ".hidden",
  " ",
  "a\nb",
  "\x1b[31m",
  "a\\b",
  "c:d",
  "x".repeat(255),
  "model.sig",
  "model.sig",
].concat(["constructor", "__proto__", "onnx/more.onnx"]);

export function mutateTree(random, folder) {
  for (let times = 1 + random.below(2); times > 0; times--) {
    const files = filesOf(folder);
    if (files.length > 0) random.pick(CHANGES)(random, join(folder, random.pick(files)), folder);
  }
}

function remove(random, file) {
  rmSync(file);
}

function empty(random, file) {
  overwrite(file, "");
}

function folderInstead(random, file) {
  rmSync(file);
  mkdirSync(file);
  if (random.onceIn(2)) writeFileSync(join(file, "inside"), "x");
}

/** A link in the place of a file, or of the signature. */
function link(random, file, folder) {
  const place = random.onceIn(6) ? join(folder, "model.sig") : file;
  const data = readFileSync(file);
  rmSync(place, { recursive: true, force: true });
  const inside = join(folder, "target");
  const target = random.pick([
    place,
    "/etc/hostname",
    join(folder, "missing"),
    folder,
    inside,
    "/dev/zero",
    "/dev/stdin",
    "/",
  ]);
  if (target === inside) overwrite(inside, data);
  symlinkSync(target, place);
}

/** Reading it would wait for ever. */
function pipe(random, file, folder) {
  const place = random.onceIn(6) ? join(folder, "model.sig") : file;
  rmSync(place, { recursive: true, force: true });
  execFileSync("mkfifo", [place]);
}

function extra(random, file, folder) {
  const place = join(random.pick([folder, dirname(file)]), random.pick(NAMES));
  if (existsSync(place) || !existsSync(dirname(place))) return;
  if (random.onceIn(4)) mkdirSync(place);
  else writeFileSync(place, random.pick(["", "{}", "[]", Buffer.from([255]), readFileSync(file)]));
}

/** The contents of another file of the folder. */
function swap(random, file, folder) {
  overwrite(file, readFileSync(join(folder, random.pick(filesOf(folder)))));
}

function deep(random, file, folder) {
  mkdirSync(join(folder, ...new Array(100).fill("d")), { recursive: true });
}

const CHANGES = [remove, empty, folderInstead, link, link, pipe, extra, extra, swap, deep];
