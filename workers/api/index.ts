import type { ApiEnv } from "../../shared/env.ts";
import { dispatch } from "./dispatch.ts";

export { CacheTagIndex } from "../../shared/cache-tags/object.ts";
export { CircuitBreaker } from "../../shared/circuit-breaker/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";

export default {
  fetch: dispatch,
} satisfies ExportedHandler<ApiEnv>;
