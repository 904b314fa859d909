import { readFileSync, writeFileSync } from "node:fs";
import { commandLine } from "../../scripts/command-line.ts";
import { assumptions } from "./assumptions.ts";
import { rendered } from "./page.ts";

/**
 * Brings the tables of docs/operate/cost.md up to date with its counts, the prices and the
 * assumptions.
 */
const PAGE = "docs/operate/cost.md";
commandLine({
  name: "cost",
  about: `Writes the tables of ${PAGE} from what tests counted, the prices and the assumptions.`,
});
writeFileSync(PAGE, rendered(readFileSync(PAGE, "utf8"), assumptions));
