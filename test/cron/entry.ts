export { Heartbeat } from "../../shared/heartbeats/object.ts";
export { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";
export { CircuitBreaker } from "../../shared/lib/circuit-breaker/object/object.ts";
export { TaskWatchdog } from "../../shared/schedule/watchdog/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";
export { default } from "../../workers/cron/index.ts";
