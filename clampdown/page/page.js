/** Loads the bundle and runs it on what is typed. */

import * as ort from "onnxruntime-web/wasm";

import { openBundle } from "./client/bundle.js";
import { ofDocument } from "./client/documents.js";
import { requireGoldenIds } from "./client/golden.js";
import { padBatch } from "./client/padding.js";
import { toPrediction } from "./client/prediction.js";
import { requireTextOrPair } from "./client/texts.js";
import { BundleTokenizer } from "./client/tokenizer.js";
import { UrlSource } from "./client/url_source.js";
import { showFacts, showResult } from "./results.js";

const element = (id) => document.getElementById(id);

const wasm = new URL("./library/ort-wasm-simd-threaded.wasm", import.meta.url);
ort.env.wasm.wasmPaths = { wasm: wasm.href };
// More threads need a page that is isolated from other origins by its server.
ort.env.wasm.numThreads = 1;

try {
  const { manifest, run } = await load();
  showFacts(element("facts"), manifest);
  element("pair").hidden = manifest.text_pair !== true;
  element("status").textContent = "Ready.";
  element("classify").disabled = false;
  element("form").addEventListener("submit", (event) => {
    event.preventDefault();
    void classify(manifest, run);
  });
  for (const box of ["texts", "second-texts"].map(element)) {
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("form").requestSubmit();
    });
  }
} catch (error) {
  element("status").textContent = "";
  fail(error);
}

/** Verifies the bundle and returns what classifies one text, or one pair. */
async function load() {
  const { manifest, model, tokenizer, golden } = await openBundle(
    new UrlSource(new URL("./bundle", import.meta.url)),
  );
  const tokens = new BundleTokenizer(
    tokenizer,
    "tokenizer.json",
    manifest.max_length,
    manifest.truncation_side,
    manifest.text_pair,
  );
  requireGoldenIds(golden, "golden.json", tokens);
  const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(model, options);

  /** Reads a text in windows, of which one is enough for most; a pair is cut. */
  async function run(given, progress) {
    const text = typeof given === "string" ? given : `${given.text}\n${given.text_pair}`;
    const read = requireTextOrPair(given, `"${text}"`, tokens.textPair);
    const { ids, types, truncated } = tokens.textPair ? alone(read) : tokens.encodeInWindows(read);
    if (ids[0].length === 0) throw new Error(`The tokenizer leaves no tokens of "${text}".`);
    const windows = [];
    for (const [index, window] of ids.entries()) {
      await progress(index + 1, ids.length);
      windows.push(await runIds(window, types));
    }
    const lengths = ids.map(({ length }) => length);
    const together = (answers) => answers[0] && ofDocument(answers, lengths, manifest);
    const prediction = together(windows.map((window) => window.prediction));
    const score = prediction.anomaly_score;
    // That which gave the text its score, which may be no number.
    const highest = windows.find((window) => Object.is(window.prediction.anomaly_score, score));
    const longest = tokens.textPair ? `${manifest.max_length} tokens` : `${tokens.readable} characters`;
    return {
      text,
      readable: truncated ? longest : undefined,
      windows: windows.length,
      prediction,
      undefended: together(windows.map((window) => window.undefended)),
      excess: highest.excess,
    };
  }

  function alone(pair) {
    const { ids, types, truncated } = tokens.encode(pair);
    return { ids: [ids], types: [types], truncated };
  }

  async function runIds(ids, types) {
    const padded = padBatch([ids], manifest.padding, manifest.inputs, types);
    const feeds = padded.map(({ name, data, dims }) => [name, new ort.Tensor("int64", data, dims)]);
    const found = await session.run(Object.fromEntries(feeds));
    const numbers = (name) => (found[name] === undefined ? undefined : [...found[name].data]);
    const [score] = numbers("anomaly_score");
    const flagged = Boolean(found.flagged.data[0]);
    const multiLabel = manifest.problem_type === "multi_label_classification";
    const { labels } = manifest;
    const answer = (logits) => logits && toPrediction(logits, score, flagged, labels, multiLabel);
    const own = manifest.mode === "detect" ? numbers("logits") : numbers("undefended_logits");
    return {
      prediction: answer(numbers("logits")),
      undefended: answer(own),
      excess: multiLabel
        ? largest(numbers("layer_excess"), labels.length)
        : numbers("layer_excess"),
    };
  }
  return { manifest, run };
}

/** The largest of every so many numbers: a layer's excess is that of one of the labels. */
function largest(numbers, count) {
  if (numbers === undefined) return undefined;
  return Array.from({ length: numbers.length / count }, (_, layer) =>
    Math.max(...numbers.slice(layer * count, (layer + 1) * count)),
  );
}

async function classify(manifest, run) {
  const button = element("classify");
  // Not `disabled`, which would take the focus from it.
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  const results = element("results");
  results.replaceChildren();
  element("error").hidden = true;
  let flagged = 0;
  try {
    const texts = typed(manifest.text_pair === true);
    for (const [index, text] of texts.entries()) {
      const result = await run(text, async (window, windows) => {
        const part = windows === 1 ? "" : `, part ${window} of ${windows}`;
        element("status").textContent = `Text ${index + 1} of ${texts.length}${part} …`;
        await otherTasks();
      });
      flagged += result.prediction.flagged;
      results.append(showResult(result, manifest));
    }
    const count = texts.length === 1 ? "1 text" : `${texts.length} texts`;
    element("status").textContent = `${count}, ${flagged} flagged.`;
  } catch (error) {
    element("status").textContent = "";
    fail(error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** The texts in the box, or the pairs in both. */
function typed(pairs) {
  const lines = (id) => element(id).value.split("\n").filter((line) => line.trim() !== "");
  const texts = lines("texts");
  if (!pairs) return texts;
  const seconds = lines("second-texts");
  if (seconds.length !== texts.length) {
    throw new Error(`${texts.length} texts and ${seconds.length} second ones: each needs its own.`);
  }
  return texts.map((text, index) => ({ text, text_pair: seconds[index] }));
}

/** WebAssembly leaves the browser no turn of its own in which to show how far a run is. */
function otherTasks() {
  return new Promise((done) => setTimeout(done));
}

function fail(error) {
  element("error").textContent = error.message;
  element("error").hidden = false;
}
