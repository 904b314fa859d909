import type { SenderAnswer } from "../../shared/contract/sender-schemas.ts";
import { challengeName } from "../../shared/email/rules/senders.ts";
import { SHARED } from "../../shared/email/rules/shared-tenant.ts";
import type { StoredSender } from "../../shared/email/sql/senders.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { iso } from "../../shared/http/time.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";

/** What the handlers of operators' senders and of tenants' senders share. */

export const noSender: Failure = { tag: "not-found", what: "sender" };

export const newSenderId = (now: number): string => `snd_${newUuidV7(now, 0).replaceAll("-", "")}`;

export function senderAnswer(sender: StoredSender): SenderAnswer {
  const { id, identity, tenant, name, transportOrder, verifiedAt, verifiedBy } = sender;
  const { challenge, linkExpiresAt } = sender;
  return {
    id,
    [identity.includes("@") ? "address" : "domain"]: identity,
    ...(tenant !== SHARED && { tenant }),
    ...(name !== null && { name }),
    ...(transportOrder.length > 0 && { transport: transportOrder }),
    status: verifiedAt === null ? "pending" : "verified",
    ...(verifiedAt !== null &&
      verifiedBy !== null && { verified: { by: verifiedBy, at: iso(verifiedAt) } }),
    ...(verifiedAt === null && {
      ...(challenge !== null && {
        record: { type: "TXT" as const, name: challengeName(identity), value: challenge },
      }),
      ...(linkExpiresAt !== null && { linkExpiresAt: iso(linkExpiresAt) }),
    }),
    createdAt: iso(sender.createdAt),
    updatedAt: iso(sender.updatedAt),
  };
}
