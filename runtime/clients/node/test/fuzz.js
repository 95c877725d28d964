/** Feeds damaged and hostile bundles to the client, and prints what came of them. */

import { parseArgs } from "node:util";

import { bundle } from "./bundles.js";
import { described, failures, mutants, run, table } from "./fuzz/campaign.js";

const { values } = parseArgs({
  options: {
    mutants: { type: "string", default: "1000" },
    seed: { type: "string", default: "0" },
    mutator: { type: "string" },
    index: { type: "string" },
  },
});
const all = mutants(Number(values.mutants), Number(values.seed));
const { mutator, index } = values;
const chosen = all.filter((one) => mutator === undefined || one.mutator === mutator);
const results =
  index === undefined
    ? await run(bundle, chosen)
    : await run(bundle, [{ seed: Number(values.seed), mutator, index: Number(index) }], (result) =>
        console.error(result),
      );
console.log(table(results));
const bad = failures(results);
for (const failure of bad) console.error(described(failure));
const slowest = Math.max(...results.map(({ ms }) => ms));
console.error(`The slowest mutant took ${(slowest / 1000).toFixed(1)} s.`);
process.exitCode = bad.length === 0 ? 0 : 1;
