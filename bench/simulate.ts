/**
 * `npm run simulate`: the real state machines and clients under a virtual clock, in fleets of up to
 * 10,000 isolates. Writes the tables of docs/simulation.md and its plots; `--quick` only prints the
 * tables of small fleets. `SEED=<seed>` or `--seed <seed>` for another seed: the same seed writes
 * the same files.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withParts } from "./simulate/page.ts";
import { allReports } from "./simulate/reports.ts";
import { fullScale, quickScale } from "./simulate/scale.ts";

const PAGE = "docs/simulation.md";
const IMAGES = "docs/images";
/** Of the page as it is committed. */
const DEFAULT_SEED = "2026";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, seed: { type: "string" } },
});
const seed = Number(values.seed ?? process.env["SEED"] ?? DEFAULT_SEED);
if (!Number.isSafeInteger(seed)) throw new Error("the seed must be a whole number");
process.stdout.write(`SEED=${seed}\n`);

const scale = values.quick ? quickScale : fullScale;
for (const { parts, images } of await allReports({ ...scale, seed })) {
  for (const [name, part] of Object.entries(parts)) process.stdout.write(`\n${name}\n\n${part}\n`);
  if (values.quick) continue;
  writeFileSync(PAGE, withParts(readFileSync(PAGE, "utf8"), { ...parts, seed: `Seed ${seed}.` }));
  mkdirSync(IMAGES, { recursive: true });
  for (const [name, svg] of Object.entries(images))
    writeFileSync(join(IMAGES, `simulation-${name}.svg`), svg);
}
