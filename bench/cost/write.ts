import { readFileSync, writeFileSync } from "node:fs";
import { assumptions } from "./assumptions.ts";
import { rendered } from "./page.ts";

/** Brings the tables of docs/cost.md up to date with its counts, the prices and the assumptions. */
const PAGE = "docs/cost.md";
writeFileSync(PAGE, rendered(readFileSync(PAGE, "utf8"), assumptions));
