/** Shows results: elements only, never HTML that was made of a text. */

import { shortLabels } from "./labels.js";

/** What a full bar stands for at least. */
const WIDEST = 10;
const SVG = "http://www.w3.org/2000/svg";

/** One text's card. */
export function showResult(result, manifest) {
  const { text, readable, windows, prediction, undefended, excess } = result;
  const { flagged, anomaly_score: score } = prediction;
  const card = make("article", { class: flagged ? "flagged" : "" });
  card.append(make("h2", {}, text));
  const verdict = make("p", { class: "verdict" });
  verdict.append(
    ...answers(prediction, manifest).flatMap(([label, probability]) => [
      make("strong", {}, label),
      make("span", { class: "number" }, probability),
    ]),
    make("span", { class: "badge" }, flagged ? "flagged" : "not flagged"),
  );
  card.append(verdict, alone(prediction, undefended, manifest));
  if (windows > 1) {
    const read = `Longer than ${manifest.max_length} tokens: read in ${windows} windows that overlap by half. The probabilities are their mean; the score and the layers are those of the most unusual window.`;
    card.append(make("p", { class: "muted" }, read));
  }
  if (readable !== undefined) {
    const part = manifest.truncation_side === "left" ? "stands before" : "follows";
    const seen = `Longer than ${readable}: what ${part} was not seen by the model.`;
    card.append(make("p", { class: "muted" }, seen));
  }
  const { threshold } = manifest;
  const scale = Math.max(Math.abs(threshold) * 2, WIDEST);
  const meter = makeMeter("Anomaly score", score, threshold, scale, flagged);
  meter.classList.add("score");
  card.append(meter);
  const limit = make("p", { class: "muted" }, `Flagged over ${number(threshold)}, the line.`);
  card.append(limit);
  if (excess !== undefined) card.append(layers(excess, manifest, scale));
  return card;
}

/** What the bundle is, under the results. */
export function showFacts(list, manifest) {
  const { model, mode, precision, layers, detector, threshold, frr_measured: frr } = manifest;
  const facts = {
    Model: model.name,
    Mode: mode,
    Precision: precision,
    Layers: layers.length === 1 ? layers[0] : `${layers[0]} to ${layers.at(-1)}`,
    Detector: detector,
    Threshold: `${number(threshold)}, which ${percent(frr)} of the clean rows exceeded`,
  };
  for (const [name, value] of Object.entries(facts)) {
    list.append(make("dt", {}, name), make("dd", {}, value));
  }
}

/** Each label that a text has with its probability, as texts. */
function answers({ label, labels, probability, logits }, manifest) {
  if (labels === undefined) return [[label, percent(probability)]];
  if (labels.length === 0) return [["No label", ""]];
  const at = (name) => logits[manifest.labels.indexOf(name)];
  return labels.map((name) => [name, percent(1 / (1 + Math.exp(-at(name))))]);
}

function alone(prediction, undefended, manifest) {
  if (undefended === undefined) {
    return make("p", { class: "alone muted" }, "What the undefended model says is not in this graph.");
  }
  const named = ({ label, labels }) => JSON.stringify(labels ?? label);
  const other = named(undefended) !== named(prediction);
  const own = answers(undefended, manifest).map(([label, chance]) =>
    chance ? `${label}, ${chance}` : label.toLowerCase(),
  );
  const said = `The undefended model: ${own.join("; ")}`;
  return make("p", { class: other ? "alone other" : "alone muted" }, said);
}

/** The model's excess over the first layers, the largest of which is the anomaly score. */
function layers(excess, { layers: names, threshold }, scale) {
  // The graph compares in float32; what is no number is over the line there, too.
  const over = (value) => !(value <= Math.fround(threshold));
  const contradicted = excess.filter(over).length;
  const details = make("details", contradicted > 0 ? { open: "" } : {});
  details.append(make("summary", {}, `${contradicted} of ${excess.length} layers contradicted`));
  const meters = make("div", { class: "meters" });
  const labels = shortLabels(names);
  excess.forEach((value, layer) => {
    meters.append(makeMeter(`Layer ${labels[layer]}`, value, threshold, scale, over(value)));
  });
  const note = `How much surer the model is than what each layer gives away, in standard deviations of clean rows; over ${number(threshold)}, the line, it counts as contradicted.`;
  details.append(meters, make("p", { class: "muted" }, note));
  return details;
}

function makeMeter(name, value, limit, scale, over) {
  const meter = make("div", { class: over ? "meter over" : "meter" });
  const label = make("span", { class: "name" }, name);
  const bar = document.createElementNS(SVG, "svg");
  bar.setAttribute("aria-hidden", "true");
  // A value that is no number fills the bar.
  const share = Number.isNaN(value) ? 1 : Math.min(Math.max(value / scale, 0), 1);
  const place = `${Math.min(Math.max(limit / scale, 0), 1) * 100}%`;
  bar.append(
    shape("rect", { class: "track", width: "100%", height: "8", y: "3", rx: "4" }),
    shape("rect", { class: "fill", width: `${share * 100}%`, height: "8", y: "3", rx: "4" }),
    shape("line", { class: "limit", x1: place, x2: place, y1: "0", y2: "14" }),
  );
  meter.append(label, bar, make("span", { class: "value" }, number(value)));
  return meter;
}

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function make(name, attributes = {}, text = undefined) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const number = (value) => (Number.isFinite(value) ? value.toFixed(2) : "not a number");
const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}%` : "not a number");
