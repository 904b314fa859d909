import type { ApiEnv } from "../../shared/env.ts";
import { dispatch } from "./dispatch.ts";

export { CircuitBreaker } from "../../shared/circuit-breaker/object.ts";

export default {
  fetch: dispatch,
} satisfies ExportedHandler<ApiEnv>;
