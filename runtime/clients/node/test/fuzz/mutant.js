/** One mutant: seed, mutator and index say everything about it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { mutateBytes } from "./bytes.js";
import { filesOf, overwrite, seal, shareFolder } from "./files.js";
import { mutateJson } from "./json.js";
import { Random } from "./random.js";
import { mutateTokenizer } from "./tokenizer.js";
import { mutateTree } from "./tree.js";

const JSON_FILES = ["clampdown.json", "clampdown.json", "golden.json", "tokenizer.json"];

/** Each changes the folder, a copy of the bundle, and returns what it changed. */
export const MUTATORS = {
  /** Of any file, its digest recomputed, so that what reads it is reached. */
  bytes: (random, folder) => {
    const read = filesOf(folder).filter((name) =>
      /^(clampdown|tokenizer|golden)\.json$/.test(name),
    );
    return change(random, folder, random.pick([...read, graphOf(folder)]), mutateBytes);
  },
  /** Of any file, its digest as it was: none may be accepted. */
  "unlisted bytes": (random, folder) => {
    const names = filesOf(folder).filter((name) => name !== "clampdown.json");
    return change(random, folder, random.pick(names), mutateBytes, false);
  },
  graph: (random, folder) => change(random, folder, graphOf(folder), mutateBytes),
  json: (random, folder) => change(random, folder, random.pick(JSON_FILES), mutateJson),
  tokenizer: (random, folder) => change(random, folder, "tokenizer.json", mutateTokenizer),
  files: (random, folder) => {
    mutateTree(random, folder);
    const files = filesOf(folder);
    // Where the manifest is a pipe or a device by now, reading it would not end.
    if (random.onceIn(2) || !files.includes("clampdown.json")) return "the folder";
    try {
      seal(folder, files);
    } catch {
      // The manifest is what was changed.
    }
    return "the folder, sealed";
  },
};

/** Makes a mutant of the bundle in `original` as `folder`, which is not there yet. */
export function makeMutant({ seed, mutator, index }, original, folder) {
  shareFolder(original, folder);
  return MUTATORS[mutator](new Random(`${seed}/${mutator}/${index}`), folder);
}

function graphOf(folder) {
  const { files } = JSON.parse(readFileSync(join(folder, "clampdown.json"), "utf8"));
  return Object.keys(files).find(
    (name) => /^onnx\/model[a-z_0-9]*\.onnx$/.test(name) && !name.includes("tokenizer"),
  );
}

function change(random, folder, name, mutate, sealed = true) {
  const file = join(folder, name);
  const data = readFileSync(file);
  let changed = data;
  while (changed.equals(data)) changed = mutate(random, data);
  overwrite(file, changed);
  if (sealed && name !== "clampdown.json") seal(folder, [name]);
  return name;
}
