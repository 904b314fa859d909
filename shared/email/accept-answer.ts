import type { Failure } from "../http/failure.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { untilNextDayMs } from "./rules/daily-limits.ts";
import { fileErrors } from "./rules/file-errors.ts";
import type { EmailMessage } from "./schemas.ts";
import { acceptedAs } from "./sql/accept.ts";
import type { Submitted, Verdict } from "./sql/submissions.ts";

export type Accepted = { id: string; status: "scheduled" | "queued"; replayed: boolean };

export type Acceptance = Extract<
  Failure,
  {
    tag:
      | "invalid"
      | "suppressed"
      | "daily-limit"
      | "idempotency-key-reused"
      | "database-full"
      | "unavailable"
      | "outcome-unknown";
  }
>;

/** What became of emails that were not accepted, for all of a round trip. */
export type Unwritten = { tag: "failed" } | { tag: "unknown" } | Full;
export type Full = { tag: "full"; keepsReserve: boolean };

/** What the caller reads about an email that it handed in. */
export function answerTo(
  {
    message,
    tenant,
    id,
    key,
    files,
  }: Pick<Submitted, "id" | "key" | "tenant" | "files"> & {
    message: EmailMessage;
  },
  verdict: Verdict | Unwritten,
  now: number,
): Result<Accepted, Acceptance> {
  switch (verdict.tag) {
    case "accepted":
      return ok({ id, status: acceptedAs(message, now), replayed: false });
    case "replayed":
      return key !== null && isSameRequest(verdict, key)
        ? ok({
            id: verdict.emailId,
            status: acceptedAs(message, verdict.acceptedAt ?? now),
            replayed: true,
          })
        : fail({ tag: "idempotency-key-reused" });
    case "suppressed":
      return fail({
        tag: "suppressed",
        reason: isOfTenant(tenant) ? "undisclosed" : verdict.reason,
      });
    case "no-sender":
      return fail({
        tag: "invalid",
        errors: [{ path: "from", message: noSender[verdict.because] }],
      });
    case "no-files":
      return fail({ tag: "invalid", errors: fileErrors(message, files, verdict.because) });
    case "limited":
      return fail({ tag: "daily-limit", by: verdict.by, retryAfterMs: untilNextDayMs(now) });
    case "absent":
    case "failed":
      return fail({ tag: "unavailable", dependency: "database" });
    case "full":
      return fail({ tag: "database-full", keepsReserve: verdict.keepsReserve });
    case "unknown":
      return fail({ tag: "outcome-unknown" });
  }
}

const noSender = {
  pending: "is a sender that is not verified yet",
  absent: "must be EMAIL_FROM, a shared sender or a verified sender of your own",
};

/** The hash of what was written is all that an earlier release has stored. */
const isSameRequest = (
  stored: { requestHash: string; canonicalHash: string | null },
  repeated: { requestHash: string; canonicalHash: string },
): boolean =>
  stored.requestHash === repeated.requestHash || stored.canonicalHash === repeated.canonicalHash;

/** A user or team does not learn what another tenant's emails have led to. */
const isOfTenant = (tenant: string): boolean => /^(user|team):/.test(tenant);
