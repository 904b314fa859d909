export { CircuitBreaker } from "../../shared/circuit-breaker/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";
export { default } from "../../workers/consumer/index.ts";
