import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { MUTATORS, makeMutant } from "./mutant.js";
import { Runner } from "./runner.js";

const COLUMNS = {
  accepted: "accepted",
  refused: "refused",
  other: "other errors",
  crash: "crashes",
  hang: "hangs",
};
const GOOD = ["accepted", "refused"];

/** As many mutants, in turn of every mutator: fewer are the first of more. */
export function mutants(count, seed) {
  const names = Object.keys(MUTATORS);
  return Array.from({ length: count }, (_, at) => ({
    seed,
    mutator: names[at % names.length],
    index: Math.floor(at / names.length),
  }));
}

/** Makes every mutant of a bundle and runs it; `tell` gets each with what came of it. */
export async function run(bundle, chosen, tell = () => {}) {
  const place = mkdtempSync(join(tmpdir(), "clampdown-fuzz-"));
  const runner = new Runner();
  const results = [];
  try {
    const original = join(place, "original");
    cpSync(bundle, original, { recursive: true });
    const whole = await runner.attempt(original);
    if (whole.kind !== "accepted")
      throw new Error(`the bundle itself is not accepted: ${whole.detail}`);
    for (const mutant of chosen) {
      const folder = join(place, "mutant");
      const changed = makeMutant(mutant, original, folder);
      const start = performance.now();
      let outcome = await runner.attempt(folder);
      if (mutant.mutator === "unlisted bytes" && outcome.kind === "accepted") {
        outcome = { kind: "other", detail: "a changed file was accepted" };
      }
      const result = { mutant, changed, ...outcome, ms: performance.now() - start };
      results.push(result);
      tell(result);
      rmSync(folder, { recursive: true });
    }
  } finally {
    await runner.stop();
    rmSync(place, { recursive: true });
  }
  return results;
}

/** What should not have come of a mutant. */
export function failures(results) {
  return results.filter(({ kind }) => !GOOD.includes(kind));
}

/** A failure, and the command that shows it again. */
export function described({ mutant, changed, kind, detail }) {
  const { seed, mutator, index } = mutant;
  const again = `npm run fuzz -- --seed ${seed} --mutator '${mutator}' --index ${index}`;
  return `${mutator} of ${changed}: ${kind}: ${detail}\n  ${again}`;
}

/** The results as a table of Markdown: one row for each mutator. */
export function table(results) {
  const names = [...new Set(results.map(({ mutant }) => mutant.mutator))];
  const row = (name, chosen) => [
    name,
    chosen.length,
    ...Object.keys(COLUMNS).map((kind) => chosen.filter((result) => result.kind === kind).length),
  ];
  const rows = [
    ["mutator", "mutants", ...Object.values(COLUMNS)],
    ["---", ...new Array(6).fill("---:")],
    ...names.map((name) =>
      row(
        name,
        results.filter(({ mutant }) => mutant.mutator === name),
      ),
    ),
    row("all", results),
  ];
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
