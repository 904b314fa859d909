/** Simulates fleets: `npm run simulate`. The same seed writes the same files. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandLine } from "../scripts/command-line.ts";
import { withParts } from "./simulate/page.ts";
import { allReports } from "./simulate/reports.ts";
import { fullScale, quickScale } from "./simulate/scale.ts";

const PAGE = "docs/explain/simulation.md";
const IMAGES = "docs/explain/images";
/** Of the page as it is committed. */
const DEFAULT_SEED = "2026";

const { values } = commandLine({
  name: "simulate",
  about:
    "Runs the real state machines and clients under a virtual clock, in fleets of up to 10,000 " +
    `isolates. Writes the tables of ${PAGE} and its plots.`,
  options: {
    quick: { type: "boolean", about: "only prints the tables of small fleets", default: false },
    seed: { type: "string", value: "<n>", about: `another seed than ${DEFAULT_SEED}` },
  },
  variables: { SEED: "the seed, if there is no --seed" },
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
