import { counters } from "../telemetry/counters.ts";

/**
 * How a write to D1 ended. `refused`: D1 would not have it, as a name that is taken; `failed`: it
 * did not take place; `unknown`: nobody can tell.
 */
export type TransactionOutcome = "committed" | "refused" | "failed" | "unknown";

export function countTransaction(outcome: TransactionOutcome): void {
  counters.count("luna_database_transactions_total", { outcome });
}
