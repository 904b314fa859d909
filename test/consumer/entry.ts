export { CircuitBreaker } from "../../shared/lib/circuit-breaker/object/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";

/**
 * Tests call the consumer with batches of their own. What they send to a real queue is acknowledged
 * and dropped: it may come seconds later, when the next file runs, whose emails have the same ids.
 */
export default { queue: () => undefined } satisfies ExportedHandler;
