export { CircuitBreaker } from "../../shared/lib/circuit-breaker/object/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";
export { default } from "../../workers/consumer/index.ts";
