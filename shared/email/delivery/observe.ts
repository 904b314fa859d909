import { log } from "../../lib/worker/log.ts";
import { counters } from "../../telemetry/counters.ts";
import type { Claimed } from "../rules/claimed.ts";
import type { Settled } from "../sql/settle.ts";

/** Counts what becomes of emails, once D1 has it. */

export function observeClaimed(claimed: readonly Claimed[], now: number): void {
  for (const { id, generation, dueAt, traceId } of claimed) {
    const waitedMs = Math.max(now - dueAt, 0);
    counters.observe("luna_email_queue_age_seconds", {}, waitedMs);
    log("info", "email.claimed", {
      emailId: id,
      generation,
      ...(traceId !== null && { traceId }),
      waitedMs,
    });
  }
}

export function observeSettled(settled: readonly Settled[]): void {
  for (const { settlement } of settled) {
    const { status, attempts } = settlement;
    if (status !== "sent" && status !== "dead" && status !== "unknown") continue;
    counters.count("luna_emails_settled_total", { status });
    if (status !== "unknown") counters.observe("luna_email_attempts", {}, attempts);
  }
}
