export { CacheTagIndex } from "../../shared/cache-tags/object.ts";
export { CircuitBreaker } from "../../shared/circuit-breaker/object.ts";
export { TaskWatchdog } from "../../shared/schedule/watchdog/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";
export { default } from "../../workers/cron/index.ts";
