/**
 * `npm run bench`: ratios against peers on one machine; `node bench/bench.ts email` only those named. What each row means, and how it could
 * mislead: bench/README.md.
 */
import { cpus } from "node:os";
import { cacheInWorkerdRows } from "./cache-in-workerd.ts";
import { cacheHitRows } from "./cache-hits.ts";
import { circuitBreakerRows } from "./circuit-breaker.ts";
import { ensureConsole } from "../scripts/build-console.ts";
import { emailRows } from "./email.ts";
import { bundleRows } from "./bundles.ts";
import { requestRows } from "./requests.ts";
import { stampedeRows } from "./stampede.ts";

const sections: Record<string, () => Promise<string>> = {
  "circuit-breaker": circuitBreakerRows,
  cache: cacheHitRows,
  stampede: stampedeRows,
  "cache-in-workerd": async () => `inside workerd:\n\n${await cacheInWorkerdRows()}`,
  requests: requestRows,
  email: emailRows,
  bundles: bundleRows,
};

// Nothing here asks the network.
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] ??= "false";
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(sections, name));
if (unknown.length > 0) throw new Error(`no section ${unknown.join(", ")}: there are ${Object.keys(sections).join(", ")}`);

await ensureConsole();
const cpu = cpus();
process.stdout.write(`Node ${process.version}, ${cpu.length} x ${cpu[0]?.model ?? "unknown CPU"}\n`);
for (const [name, rows] of Object.entries(sections)) {
  if (wanted.length === 0 || wanted.includes(name)) process.stdout.write(`\n${await rows()}\n`);
}
// opossum's timers would keep the process alive.
process.exit(0);
