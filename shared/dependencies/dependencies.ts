import { WEBHOOK_BREAKER } from "../alerts/rules/conditions.ts";
import { DATABASE_BREAKER } from "../database/rules/faults.ts";
import { emailBreaker, transportNames } from "../email/rules/transports.ts";
import { CACHE_BREAKER } from "../lib/cache/rules/index.ts";

/** Luna's own dependencies that have a circuit breaker, by the names of their objects. */
export const dependencies = [
  DATABASE_BREAKER,
  ...transportNames.map(emailBreaker),
  CACHE_BREAKER,
  WEBHOOK_BREAKER,
] as const;

export type Dependency = (typeof dependencies)[number];

export function isDependency(name: string): name is Dependency {
  return (dependencies as readonly string[]).includes(name);
}

/** Values of metric labels. Their series are exposed before anything is counted. */
export const knownNames = { dependency: dependencies, transport: transportNames } as const;
