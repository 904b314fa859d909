/**
 * `npm run bench`: ratios against baselines on one machine; `node bench/bench.ts email` only those
 * named. What each row means, and how it could mislead: bench/README.md.
 */
import { cpus } from "node:os";
import packageJson from "../package.json" with { type: "json" };
import { ensureConsole } from "../scripts/build-console.ts";
import { commandLine, refuse } from "../scripts/command-line.ts";
import { acceptRequestRows } from "./accept-requests.ts";
import { bundleRows } from "./bundles.ts";
import { cacheHitRows } from "./cache-hits.ts";
import { cacheInWorkerdRows } from "./cache-in-workerd.ts";
import { circuitBreakerRows } from "./circuit-breaker.ts";
import { acceptRows, emailRows } from "./email.ts";
import { table, type Ratio } from "./measure.ts";
import { requestRows } from "./requests.ts";
import { stampedeRows } from "./stampede.ts";
import { tagIndexRows } from "./tag-index.ts";

const sections: Record<string, () => Promise<Ratio[]>> = {
  "circuit-breaker": circuitBreakerRows,
  cache: () => cacheHitRows("Node"),
  stampede: stampedeRows,
  "cache-in-workerd": cacheInWorkerdRows,
  "tag-index": tagIndexRows,
  requests: requestRows,
  email: emailRows,
  accept: acceptRows,
  "accept-requests": acceptRequestRows,
  bundles: bundleRows,
};

// Nothing here asks the network, and what Wrangler prints about itself is no part of the table.
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] ??= "false";
process.env["WRANGLER_LOG"] ??= "warn";
const { positionals: wanted } = commandLine({
  name: "bench",
  about: "Measures ratios against baselines on this machine. bench/README.md explains each row.",
  positionals: { name: "<section> …", about: `only these: ${Object.keys(sections).join(", ")}` },
});
const unknown = wanted.filter((name) => !Object.hasOwn(sections, name));
if (unknown.length > 0)
  refuse(`there is no section ${unknown.join(", ")}. npm run bench -- --help lists them`);

await ensureConsole();
const rows: Ratio[] = [];
for (const [name, measure] of Object.entries(sections)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`measuring: ${name}\n`);
  rows.push(...(await measure()));
}

const cpu = cpus();
const versions = { ...packageJson.dependencies, ...packageJson.devDependencies };
const named = [
  "cockatiel",
  "opossum",
  "lru-cache",
  "bentocache",
  "@epic-web/cachified",
  "cacheable",
  "wrangler",
] as const;
const baselines = named.map((name) => `${name} ${versions[name]}`);
process.stdout.write(
  `Node ${process.version}, ${cpu.length} x ${cpu[0]?.model ?? "unknown CPU"}; ` +
    `${baselines.join(", ")}\n\n`,
);
const isFirst = ({ what }: Ratio, n: number): boolean => rows[n - 1]?.what !== what;
process.stdout.write(
  table(
    ["", "", "measured", "of its peer"],
    rows.map((row, n) => [isFirst(row, n) ? row.what : "", row.way, row.measured, row.ratio]),
    2,
  ),
);
process.stdout.write("\n");
// opossum's timers would keep the process alive.
process.exit(0);
