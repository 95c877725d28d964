/** Loads the bundles that it is told of and runs texts on them; it may crash or hang doing so. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { BundleError, ClampdownError, DefendedClassifier } from "clampdown";

import { BundleTokenizer } from "../../dist/tokenizer.js";

const TEXTS = ["the film was good", "A very bad day, cf! 昨日 𠮷 ΣΟΦΟΣ don't \u0000 ".repeat(50)];

process.on("message", async (folder) => process.send(await attempt(folder)));
process.send("ready");

async function attempt(folder) {
  try {
    tokenize(join(folder, "tokenizer.json"));
    const classifier = await DefendedClassifier.load(folder, { threads: 1 });
    const predictions = await classifier.classify(TEXTS);
    const right =
      predictions.length === TEXTS.length &&
      predictions.every((one) => isOf(one, classifier.manifest));
    return right ? { kind: "accepted" } : { kind: "other", detail: JSON.stringify(predictions) };
  } catch (error) {
    const { message } = error;
    const ours = error instanceof ClampdownError && message.isWellFormed();
    return { kind: ours ? "refused" : "other", detail: ours ? message.slice(0, 500) : error.stack };
  }
}

/** Alone first: where it reads the golden texts otherwise, the bundle is refused before it runs. */
function tokenize(file) {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return;
  try {
    const tokenizer = new BundleTokenizer(readFileSync(file), file, 64);
    TEXTS.forEach((text) => tokenizer.encode(text));
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
  }
}

function isOf({ label, probability, anomaly_score, flagged, logits }, { labels }) {
  return (
    labels.includes(label) &&
    [probability, anomaly_score, ...logits].every((number) => typeof number === "number") &&
    logits.length === labels.length &&
    typeof flagged === "boolean"
  );
}
