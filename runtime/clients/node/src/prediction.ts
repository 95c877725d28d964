/** The result of one text; the names are those of the Python runtime. */
export interface Prediction {
  /** The name of the most probable class. */
  readonly label: string;
  /** The softmax of `logits` at `label`, 0 to 1; NaN where a logit is NaN. */
  readonly probability: number;
  /** The distance from the clean distribution, high = abnormal. */
  readonly anomaly_score: number;
  /** Whether the score is not at most the threshold; a NaN score is flagged. */
  readonly flagged: boolean;
  /** The defended logits, one of each class. */
  readonly logits: number[];
}

/** Names the most probable class of a row. */
export function toPrediction(
  logits: number[],
  anomaly_score: number,
  flagged: boolean,
  labels: string[],
): Prediction {
  // Not all of them as arguments of one call, which may have some hundred thousand.
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  // A NaN among the logits makes the largest NaN; it is the first NaN that counts then.
  const best = logits.findIndex((logit) => Object.is(logit, largest) || logit === largest);
  const exponents = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponents.reduce((total, exponent) => total + exponent, 0);
  const probability = exponents[best]! / sum;
  return { label: labels[best]!, probability, anomaly_score, flagged, logits };
}
