/** The result of one text; the names are those of the Python runtime. */
export interface Prediction {
  /**
   * The name of the most probable class. Of a model of many labels it is the most probable label,
   * even where the text has none: see `labels`.
   */
  readonly label: string;
  /** That of `label`, 0 to 1: the softmax of `logits`, of many labels the sigmoid; or NaN. */
  readonly probability: number;
  /** The distance from the clean distribution, high = abnormal. */
  readonly anomaly_score: number;
  /** Whether the score is not at most the threshold; a NaN score is flagged. */
  readonly flagged: boolean;
  /** The defended logits, one of each class. */
  readonly logits: number[];
  /**
   * Of a model of many labels those that the text has, whose probability is over one half, in the
   * order of the manifest's labels; no such key of a model that chooses one class.
   */
  readonly labels?: string[];
  /**
   * The `label` that the model itself gives; no such key where the graph does not say, as that of
   * an earlier release or of the published method.
   */
  readonly undefended_label?: string;
  /** Of a model of many labels the `labels` that it gives itself; left out as above. */
  readonly undefended_labels?: string[];
  /** The model's own logits; left out as above. */
  readonly undefended_logits?: number[];
}

/** Names the most probable class of a row, or the labels that it has. */
export function toPrediction(
  logits: number[],
  anomaly_score: number,
  flagged: boolean,
  labels: string[],
  multiLabel = false,
  undefended_logits?: number[],
): Prediction {
  const defended = answer(logits, labels, multiLabel);
  const { label, probability } = defended;
  const prediction = { label, probability, anomaly_score, flagged, logits };
  const given = multiLabel ? { labels: defended.labels } : {};
  if (undefended_logits === undefined) return { ...prediction, ...given };
  const own = answer(undefended_logits, labels, multiLabel);
  return {
    ...prediction,
    ...given,
    undefended_label: own.label,
    ...(multiLabel ? { undefended_labels: own.labels } : {}),
    undefended_logits,
  };
}

function answer(logits: number[], labels: string[], multiLabel: boolean) {
  // Not all of them as arguments of one call, which may have some hundred thousand.
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  // A NaN among the logits makes the largest NaN; it is the first NaN that counts then.
  const best = logits.findIndex((logit) => Object.is(logit, largest) || logit === largest);
  return {
    label: labels[best]!,
    probability: multiLabel ? 1 / (1 + Math.exp(-logits[best]!)) : softmax(logits)[best]!,
    labels: labels.filter((_, at) => logits[at]! > 0),
  };
}

/** The probability of each class; all NaN where a logit is NaN or +∞. */
export function softmax(logits: readonly number[]): number[] {
  // Shifted, so that no exponential overflows.
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const exponents = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponents.reduce((total, exponent) => total + exponent, 0);
  return exponents.map((exponent) => exponent / sum);
}
