import type { AttemptDetail } from "./outcome.ts";
import type { TransportName } from "./transports.ts";

/** What stands in the timeline of an email where no transport gave an answer. */

export function keyForgotten(transport: TransportName): AttemptDetail {
  return {
    transport,
    phase: "key",
    text: "the provider no longer recognizes the email by its key",
  };
}

export const waitedTooLong: AttemptDetail = {
  transport: "none",
  phase: "wait",
  text: "no transport took the email for EMAIL_MAX_WAIT_HOURS",
};

export const leaseExpired: AttemptDetail = {
  transport: "none",
  phase: "lease",
  text: "the lease expired before an outcome was recorded",
};
