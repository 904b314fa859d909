import { failureText } from "../rules/failure-text.ts";
import type { BreakerSyncReply, BreakerSyncRequest, ProbeReport } from "../rules/rpc.ts";
import type { Ended } from "./executor.ts";
import { probeOutcome } from "./probe-outcome.ts";
import type { Drained } from "./tally.ts";

/**
 * What an object understands of a request. The one of an earlier release refuses a field that it
 * does not know. `plain`: counts only. `errors`: and texts of failures. `wire-2`: all fields.
 */
export type Dialect = "plain" | "errors" | "wire-2";

export function dialectOf({ wire, takesErrors }: BreakerSyncReply): Dialect {
  if (wire !== undefined && wire >= 2) return "wire-2";
  return takesErrors === true ? "errors" : "plain";
}

/** @returns undefined if there is nothing to report */
export function reportOf(
  tally: { epoch: number; counts: Drained; overMs: number; lastError: string | null },
  dialect: Dialect,
): BreakerSyncRequest["report"] {
  const { epoch, counts, overMs, lastError } = tally;
  const { failures, calls, after, held, slow, retryAfterMs } = counts;
  const plain = { epoch, failures, calls, ...errorField(dialect, lastError) };
  if (dialect !== "wire-2") return failures === 0 && calls === 0 ? undefined : plain;
  if (failures === 0 && calls === 0 && held === 0 && slow === 0) return undefined;
  return {
    ...plain,
    overMs,
    ...(failures + slow > 0 && { after }),
    ...(held > 0 && { held }),
    ...(slow > 0 && { slow }),
    ...(retryAfterMs > 0 && { retryAfterMs }),
  };
}

export function requestOf(
  { report, acquire, thresholds }: BreakerSyncRequest,
  dialect: Dialect,
): BreakerSyncRequest {
  return {
    ...(report && { report }),
    ...(acquire && { acquire }),
    ...(thresholds && dialect === "wire-2" && { thresholds }),
  };
}

export function probeFields(
  { outcome, error, retryAfterMs }: Ended,
  dialect: Dialect,
): Omit<ProbeReport, "permitId"> {
  const lastError = outcome === "failure" || outcome === "slow" ? failureText(error) : null;
  return {
    outcome: probeOutcome(outcome),
    ...errorField(dialect, lastError),
    ...(dialect === "wire-2" && retryAfterMs > 0 && { retryAfterMs }),
  };
}

function errorField(dialect: Dialect, lastError: string | null): { lastError?: string } {
  return dialect !== "plain" && lastError !== null && lastError !== "" ? { lastError } : {};
}
