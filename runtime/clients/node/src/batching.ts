/**
 * Plans batches of rows in the order of their lengths, so that a batch has little padding.
 *
 * @returns the indices of the rows in each batch; every index once.
 */
export function planBatches(lengths: number[], batchSize: number): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]!);
  const batches: number[][] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    batches.push(order.slice(start, start + batchSize));
  }
  return batches;
}
