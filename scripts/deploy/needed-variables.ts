import { emailTransports } from "../../shared/email/settings.ts";
import type { Variables } from "../../workers/env.ts";
import type { Worker } from "./environments.ts";
import { groups, type Need, type Variable } from "./variables.ts";

export function variablesOf(worker: Worker): Variable[] {
  return groups
    .filter((group) => group.workers.includes(worker))
    .flatMap(({ variables }) => variables);
}

export const variableNames: ReadonlySet<string> = new Set(
  groups.flatMap(({ variables }) => variables.map(({ name }) => name)),
);

/** What the Worker cannot do without, given which transports take emails. */
export function neededBy(worker: Worker, vars: Variables): Variable[] {
  const configured = emailTransports(vars);
  const named = configured.ok ? configured.value : [];
  const isNeeded = (need: Need): boolean =>
    need === "always" || named.some((name) => need === `by ${name}`);
  return variablesOf(worker).filter(({ need }) => isNeeded(need));
}
