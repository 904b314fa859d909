import { counters } from "../telemetry/counters.ts";

/**
 * How a write to D1 ended. `refused`: D1 refused it, for example because a name is taken. `failed`:
 * it did not take place. `unknown`: whether it took place was not observed.
 */
export type TransactionOutcome = "committed" | "refused" | "failed" | "unknown";

export function countTransaction(outcome: TransactionOutcome): void {
  counters.count("luna_database_transactions_total", { outcome });
}
