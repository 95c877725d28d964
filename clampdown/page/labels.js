/** Names layers as the report does (short_labels in clampdown_exporter/report/widths.py). */

/** Characters after which a label is too long to stand beside a bar. */
const LONGEST = 10;

/** Layers' names without the dotted parts that all share; where that is still long, places from 1. */
export function shortLabels(names) {
  const parts = names.map((name) => name.split("."));
  const fewest = Math.min(...parts.map((name) => name.length));
  const shared = (place) => new Set(parts.map((name) => name.at(place))).size === 1;
  let start = 0;
  while (start < fewest - 1 && shared(start)) start += 1;
  let end = 0;
  while (end < fewest - start - 1 && shared(-1 - end)) end += 1;
  const labels = parts.map((name) => name.slice(start, name.length - end).join("."));
  const long = labels.some((label) => label.length > LONGEST);
  return names.length === 1 || long ? names.map((_, index) => String(index + 1)) : labels;
}
