import type { Manifest } from "./manifest.js";
import { softmax, toPrediction, type Prediction } from "./prediction.js";

/** Which windows a text is read in. */
export interface Windowing {
  /** Tokens of a window, special ones included; `max_length` where it is left out. */
  readonly size?: number;
  /** Tokens from the beginning of one window to that of the next; half of a window's own. */
  readonly stride?: number;
}

/**
 * Puts the results of one text's windows together.
 *
 * The probabilities of the text are the mean of its windows', each weighed by its tokens, and its
 * logits their logarithms, or of a model of many labels their log-odds. Its score is the highest, and it is flagged where one of them is: a
 * trigger stands in few windows. With more windows more clean texts are flagged.
 *
 * @param windows the results, at least one.
 * @param lengths the tokens of each window.
 */
export function ofDocument(
  windows: readonly Prediction[],
  lengths: readonly number[],
  { labels, problem_type }: Manifest,
): Prediction {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const weights = lengths.map((length) => length / total);
  const multiLabel = problem_type === "multi_label_classification";
  const mean = (rows: readonly number[][]) =>
    // In float32, as the graph's own logits are and Python's are here.
    (multiLabel ? meanLogOdds(rows, weights) : meanLogarithms(rows, weights)).map(Math.fround);
  const own = windows.flatMap(({ undefended_logits: logits }) => (logits ? [logits] : []));
  return toPrediction(
    mean(windows.map(({ logits }) => logits)),
    // Not a number where one of them is none.
    windows.reduce((most, { anomaly_score }) => Math.max(most, anomaly_score), -Infinity),
    windows.some(({ flagged }) => flagged),
    labels,
    multiLabel,
    own.length > 0 ? mean(own) : undefined,
  );
}

function meanLogarithms(rows: readonly number[][], weights: readonly number[]): number[] {
  const mean: number[] = new Array(rows[0]!.length).fill(0);
  rows.forEach((logits, row) => {
    softmax(logits).forEach((probability, label) => {
      mean[label]! += probability * weights[row]!;
    });
  });
  return mean.map(Math.log);
}

/** In logarithms all along: one less a probability near one would be zero. */
function meanLogOdds(rows: readonly number[][], weights: readonly number[]): number[] {
  const logMean = (label: number, sign: number) =>
    rows
      .map((logits, row) => logSigmoid(sign * logits[label]!) + Math.log(weights[row]!))
      .reduce(logAdd);
  return rows[0]!.map((_, label) => logMean(label, 1) - logMean(label, -1));
}

function logSigmoid(logit: number): number {
  return Math.min(logit, 0) - Math.log1p(Math.exp(-Math.abs(logit)));
}

/** The logarithm of the sum of what two logarithms are of. */
function logAdd(one: number, other: number): number {
  const most = Math.max(one, other);
  return most === -Infinity ? most : most + Math.log1p(Math.exp(Math.min(one, other) - most));
}
