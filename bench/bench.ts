/** `npm run bench`: ratios against peers in one process. What each row means, and how it could mislead: bench/README.md. */
import { cpus } from "node:os";
import { cacheInWorkerdRows } from "./cache-in-workerd.ts";
import { cacheHitRows } from "./cache-hits.ts";
import { circuitBreakerRows } from "./circuit-breaker.ts";
import { requestRows } from "./requests.ts";

const cpu = cpus();
process.stdout.write(`Node ${process.version}, ${cpu.length} x ${cpu[0]?.model ?? "unknown CPU"}\n\n`);
process.stdout.write(`${await circuitBreakerRows()}\n\n`);
process.stdout.write(`${await cacheHitRows()}\n\n`);
process.stdout.write(`inside workerd:\n\n${await cacheInWorkerdRows()}\n\n`);
process.stdout.write(`${await requestRows()}\n`);
// opossum's timers would keep the process alive.
process.exit(0);
