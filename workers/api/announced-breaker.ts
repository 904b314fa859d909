import { announceBreaker } from "../../shared/dependencies/registry.ts";
import { CircuitBreaker } from "../../shared/lib/circuit-breaker/index.ts";
import type { ApiEnv } from "../env.ts";

/** The breaker of the library, in the list of breakers. */
export class AnnouncedBreaker extends CircuitBreaker {
  constructor(ctx: DurableObjectState, env: ApiEnv) {
    super(ctx, env, { announce: (standing) => announceBreaker(env, standing) });
  }
}
