import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { BundleError, DefendedClassifier } from "clampdown";

import { bundle, changeManifest, copyOf, modelFile, readJson, replaceFile } from "./bundles.js";

/** The keys of version 2, which say here what version 1 means. */
const SECOND = {
  format_version: 2,
  truncation_side: "right",
  text_pair: false,
  problem_type: "single_label_classification",
};

test("another bundle than the expected one is refused", async (t) => {
  const folder = await copyOf(t);
  const digestOf = async () => {
    const manifest = await readFile(join(folder, "clampdown.json"));
    return `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
  };
  const expectedDigest = await digestOf();
  await DefendedClassifier.load(folder, { expectedDigest });
  await replaceFile(folder, "config.json", "{}");
  await DefendedClassifier.load(folder);
  const found = await digestOf();
  await assert.rejects(DefendedClassifier.load(folder, { expectedDigest }), (error) => {
    assert(error instanceof BundleError);
    assert.match(
      error.message,
      new RegExp(`found the digest ${found}; expected ${expectedDigest}`),
    );
    return true;
  });
});

/** Each changes a copy of the bundle; the error has to match. */
const CHANGES = {
  "a changed file": [
    (folder) => writeFile(join(folder, "config.json"), "{}"),
    /found config\.json \(different\); expected exactly the files that clampdown\.json lists/,
  ],
  "a missing file": [
    (folder) => rm(join(folder, "calibration.safetensors")),
    /found calibration\.safetensors \(missing\)/,
  ],
  "an extra file": [
    (folder) => writeFile(join(folder, "onnx", "more.bin"), ""),
    /found onnx\/more\.bin \(extra\)/,
  ],
  "a hidden file": [(folder) => writeFile(join(folder, ".hidden"), ""), /found \.hidden \(extra\)/],
  "a folder in a file's place": [
    async (folder) => {
      await rm(join(folder, "config.json"));
      await mkdir(join(folder, "config.json"));
    },
    /found config\.json \(missing\)/,
  ],
  "a link that leaves the folder": [
    async (folder) => {
      await rename(join(folder, "config.json"), join(folder, "..", "config.json"));
      await symlink(join("..", "config.json"), join(folder, "config.json"));
    },
    /found config\.json \(outside\)/,
  ],
  "a link to a folder elsewhere": [
    (folder) => symlink("..", join(folder, "more")),
    /found more \(outside\)/,
  ],
  "several differences": [
    async (folder) => {
      for (const name of "abcdef") await writeFile(join(folder, name), "");
    },
    /found a \(extra\), b \(extra\), c \(extra\), d \(extra\), e \(extra\) and 1 more;/,
  ],
  "a manifest elsewhere": [
    async (folder) => {
      await rename(join(folder, "clampdown.json"), join(folder, "..", "clampdown.json"));
      await symlink(join("..", "clampdown.json"), join(folder, "clampdown.json"));
    },
    /clampdown\.json: found a link that leaves the folder/,
  ],
  "a pipe in the manifest's place": [
    async (folder) => {
      await rm(join(folder, "clampdown.json"));
      execFileSync("mkfifo", [join(folder, "clampdown.json")]);
    },
    /found no clampdown\.json/,
  ],
  "a pipe in a file's place": [
    async (folder) => {
      await rm(join(folder, "config.json"));
      execFileSync("mkfifo", [join(folder, "config.json")]);
    },
    /found config\.json \(different\)/,
  ],
  "a pipe in the signature's place": [
    (folder) => void execFileSync("mkfifo", [join(folder, "model.sig")]),
    /found model\.sig \(extra\)/,
  ],
  "a signature elsewhere": [
    async (folder) => {
      await writeFile(join(folder, "..", "model.sig"), "{}");
      await symlink(join("..", "model.sig"), join(folder, "model.sig"));
    },
    /found model\.sig \(outside\)/,
  ],
  "a signature in another folder": [
    (folder) => writeFile(join(folder, "onnx", "model.sig"), "{}"),
    /found onnx\/model\.sig \(extra\)/,
  ],
  "no manifest": [
    (folder) => rm(join(folder, "clampdown.json")),
    /found no clampdown\.json; expected a bundle/,
  ],
  "a tokenizer that reads otherwise": [
    async (folder) => {
      const tokenizer = await readJson(folder, "tokenizer.json");
      tokenizer.normalizer = null;
      await replaceFile(folder, "tokenizer.json", JSON.stringify(tokenizer));
    },
    /on the golden text "This was .*: found \d+ as its token 1; expected \d+, as where/,
  ],
  "no tokenizer": [
    (folder) => replaceFile(folder, "tokenizer.json", '{"model": {"type": "Unheard"}}'),
    /tokenizer\.json: found a tokenizer that cannot be read/,
  ],
  "golden rows with an unknown key": [
    (folder) => replaceFile(folder, "golden.json", '{"format_version": 1, "rows": [], "more": 1}'),
    /golden\.json, `\w+`: found/,
  ],
  "a graph that is none": [
    async (folder) => replaceFile(folder, await modelFile(folder), "not a graph"),
    /found a file that ONNX Runtime cannot load/,
  ],
};

/** Each changes the manifest; the error has to match. */
const MANIFESTS = {
  "a higher version": [
    (manifest) => void Object.assign(manifest, { format_version: 3, more: true }),
    /`format_version`: found format version 3; expected at most 2, .* Upgrade the client/,
  ],
  "no side in version 2": [
    (manifest) => void Object.assign(manifest, { format_version: 2 }),
    /`truncation_side`: found nothing; expected a value in format version 2/,
  ],
  "a side in version 1": [
    (manifest) => void Object.assign(manifest, { truncation_side: "left" }),
    /`truncation_side`: found left; expected no such key in format version 1/,
  ],
  "many labels in version 1": [
    (manifest) => void Object.assign(manifest, { problem_type: "multi_label_classification" }),
    /`problem_type`: found multi_label_classification; expected no such key in format version 1/,
  ],
  "another problem": [
    (manifest) => void Object.assign(manifest, { ...SECOND, problem_type: "regression" }),
    /`problem_type`: found "regression"; expected/,
  ],
  "pairs in version 1": [
    (manifest) => void Object.assign(manifest, { text_pair: true }),
    /`text_pair`: found true; expected no such key in format version 1/,
  ],
  "pairs whose golden rows are single texts": [
    (manifest) => void Object.assign(manifest, { ...SECOND, text_pair: true }),
    /golden\.json, `rows`: found a single text in format version 1; expected pairs/,
  ],
  "no version": [
    (manifest) => void delete manifest.format_version,
    /`format_version`: found nothing; expected "format_version"/,
  ],
  "a missing key": [
    (manifest) => void delete manifest.padding.side,
    /`padding\.side`: found nothing; expected "side"/,
  ],
  "an unknown key": [
    (manifest) => void (manifest.treshold = 1),
    /`treshold`: found "treshold"; expected no such key/,
  ],
  "a value of another type": [
    (manifest) => void (manifest.max_length = "64"),
    /`max_length`: found "64"; expected number/,
  ],
  "a fraction where an integer belongs": [
    (manifest) => void (manifest.max_length = 1.5),
    /`max_length`: found 1\.5; expected/,
  ],
  "an unknown mode": [
    (manifest) => void (manifest.mode = "attack"),
    /`mode`: found "attack"; expected \("detect-then-purify"/,
  ],
  "no labels": [(manifest) => void (manifest.labels = []), /`labels`: found 0; expected >=1/],
  "a label twice": [
    (manifest) => void (manifest.labels = ["a", "a"]),
    /`labels`: found .*; expected no name twice/,
  ],
  "no attention mask": [
    (manifest) => void (manifest.inputs = ["input_ids"]),
    /`inputs`: found .*; expected "attention_mask"/,
  ],
  "an input that the graph does not have": [
    (manifest) => void manifest.inputs.reverse(),
    /found inputs .*; expected inputs /,
  ],
  "labels that the graph does not have": [
    (manifest) => void manifest.labels.push("more"),
    /found outputs of the shapes/,
  ],
  "a path that leaves the folder": [
    (manifest) => void (manifest.files["../more"] = manifest.calibration_digest),
    /`files.*expected a path inside the bundle/,
  ],
  "a digest of another form": [
    (manifest) => void (manifest.files["config.json"] = "md5:1"),
    /found "md5:1"; expected/,
  ],
  "another calibration's digest": [
    (manifest) => void (manifest.calibration_digest = `sha256:${"0".repeat(64)}`),
    /`calibration_digest`: found sha256:0+; expected the digest of calibration/,
  ],
  "no golden rows listed": [
    (manifest) => void delete manifest.files["golden.json"],
    /`files`: found no golden\.json/,
  ],
  "itself listed": [
    (manifest) => void (manifest.files["clampdown.json"] = manifest.calibration_digest),
    /`files`: found clampdown\.json; expected every file but manifest and signature/,
  ],
  "its signature listed": [
    (manifest) => void (manifest.files["model.sig"] = manifest.calibration_digest),
    /`files`: found model\.sig; expected every file but manifest and signature/,
  ],
  "more bytes than any": [
    (manifest) => JSON.stringify(manifest).padEnd(2 ** 24 + 1),
    /clampdown\.json: found more than 16777216 bytes/,
  ],
  "brackets without end": [
    (manifest) => `${"[".repeat(2 ** 20)}${JSON.stringify(manifest)}`,
    /found text that is not valid JSON \(it nests deeper than 64 levels\)/,
  ],
  "a list where a map belongs": [
    (manifest) => void (manifest.versions = []),
    /`versions`: found .*; expected an object, not a list/,
  ],
  "a file of a name that every object has": [
    (manifest) => void (manifest.files.constructor = manifest.calibration_digest),
    /`files`: found .*; expected no key of the name __proto__, prototype or constructor/,
  ],
  "half of a surrogate pair": [
    (manifest) => void (manifest.labels[0] = "\ud800"),
    /`labels\.0`: found "\\ud800"; expected valid Unicode/,
  ],
  "a max_length without room": [
    (manifest) => void (manifest.max_length = 1),
    /expected fewer than the manifest's `max_length`, 1/,
  ],
  "a key twice": [
    (manifest) => `{"mode": "detect",${JSON.stringify(manifest).slice(1)}`,
    /found text that is not valid JSON \(the key "mode" is there twice\)/,
  ],
  "half of a text": [
    (manifest) => JSON.stringify(manifest).slice(0, -1),
    /found text that is not valid JSON/,
  ],
  "a list": [() => "[]", /`format_version`: found nothing/],
  "bytes that are not UTF-8": [
    () => Buffer.from([0x22, 0xff, 0x22]),
    /found text that is not valid JSON/,
  ],
};

for (const [name, [change, message]] of Object.entries(CHANGES)) {
  test(`${name} is refused`, async (t) => {
    const folder = await copyOf(t);
    await change(folder);
    await assertRefused(folder, message);
  });
}

for (const [name, [change, message]] of Object.entries(MANIFESTS)) {
  test(`a manifest with ${name} is refused`, async (t) => {
    const folder = await copyOf(t);
    await changeManifest(folder, change);
    await assertRefused(folder, message);
  });
}

test("a folder that is not there is refused", () =>
  assertRefused(join(bundle, "nothing"), /expected a bundle/));

test("a link inside the folder is followed", async (t) => {
  const folder = await copyOf(t);
  await changeManifest(folder, ({ files }) => {
    files["same.json"] = files["config.json"];
  });
  await symlink("config.json", join(folder, "same.json"));
  await DefendedClassifier.load(folder);
});

test("a signature need not be listed", async (t) => {
  const folder = await copyOf(t);
  await writeFile(join(folder, "model.sig"), "{}");
  await DefendedClassifier.load(folder);
  await rm(join(folder, "model.sig"));
  await symlink("config.json", join(folder, "model.sig"));
  await DefendedClassifier.load(folder);
});

async function assertRefused(folder, message) {
  const load = async () => (await DefendedClassifier.load(folder)).classify(["ok"]);
  await assert.rejects(load(), (error) => {
    assert.ok(error instanceof BundleError, String(error));
    assert.match(error.message, message);
    return true;
  });
}
