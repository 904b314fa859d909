import { countTransaction } from "../../database/transactions.ts";
import { WRITE_TIMEOUT_MS } from "../../database/write.ts";
import { within } from "../../lib/base/deadline.ts";
import { fanOut } from "../../lib/worker/fan-out.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import type { Notification } from "../queue-messages.ts";
import { claimLimit, eachWait, othersWait } from "../rules/choice.ts";
import type { Claimed } from "../rules/claimed.ts";
import { transports as definitions, type TransportName } from "../rules/transports.ts";
import { SMALL_BATCH } from "../rules/turns.ts";
import { claim, claimedBy, postpone, type Claim, type Named } from "../sql/claim.ts";
import { ELSEWHERE, namedElsewhere } from "./elsewhere.ts";
import { LEASE_MS } from "./lease.ts";
import { candidatesOf, knownPace, type Delivery } from "./ports.ts";

type Claiming = Pick<Delivery, "db" | "transports" | "clock" | "random">;

/**
 * Claims what the transports take now, and postpones the rest. A large batch also takes emails of
 * which the notifications wait behind it, so that a tenant's many emails do not hold up another's.
 *
 * @returns null if D1 did not answer: then the notifications must be delivered again
 */
export async function claimAdmitted(
  { db, transports, clock, random }: Claiming,
  notifications: Notification[],
  token: string,
): Promise<Claim | null> {
  const [elsewhere] = await Promise.all([
    notifications.length > SMALL_BATCH ? namedElsewhere(db, clock(), ELSEWHERE) : [],
    fanOut(transports, async (transport) => await transport.refresh()),
  ]);
  const named = new Set(notifications.map(({ emailId }) => emailId));
  const wanted = [...elsewhere.filter(({ emailId }) => !named.has(emailId)), ...notifications];
  const now = clock();
  const before = candidatesOf(transports, new Map(), now);
  const { open, limit } = claimLimit(before, wanted.length, random());
  const claimed =
    limit === 0
      ? { claimed: [], early: [], pace: [] }
      : await claimOrReread(db, {
          notifications: wanted,
          token,
          now,
          open,
          closed: othersThan(open, transports),
          limit,
        });
  if (claimed === null) return null;
  const candidates = candidatesOf(transports, knownPace(transports, claimed.pace), now);
  const wait = othersWait(candidates);
  if (wait === null || claimed.claimed.length === wanted.length) return claimed;
  const { waitMs, limited } = wait;
  const waits = eachWait(candidates).map(({ name, waitMs: ms, detail, limited: isLimit }) => ({
    name,
    until: now + ms,
    detail: JSON.stringify(detail),
    limited: isLimit,
    maxBytes: definitions[name].maxContentBytes,
  }));
  try {
    const detail = JSON.stringify(wait.detail);
    const later = await within(
      WRITE_TIMEOUT_MS,
      postpone(db, { notifications, until: now + waitMs, detail, now, limited, waits }),
    );
    log("info", "email.postponed", { emails: later.length, waitMs });
    return { ...claimed, early: later };
  } catch (error) {
    log("error", "email.postpone_failed", {
      notifications: notifications.length,
      ...describeError(error),
    });
    // What was claimed must be handed over. The sweeper notifies of the others.
    return claimed.claimed.length === 0 ? null : claimed;
  }
}

/**
 * Claims emails of which the notifications wait behind the batch that `token` has claimed. What
 * cannot be claimed now has notifications of its own.
 */
export async function claimElsewhere(
  { db, transports, clock }: Claiming,
  token: string,
  room: number,
): Promise<Claimed[]> {
  const { open, limit } = claimLimit(candidatesOf(transports, new Map(), clock()), room, 0);
  const atMost = Math.min(limit, room, ELSEWHERE);
  const notifications = atMost > 0 ? await namedElsewhere(db, clock(), atMost) : [];
  if (notifications.length === 0) return [];
  const closed = othersThan(open, transports);
  const wanted = { notifications, token, now: clock(), open, closed, limit: atMost };
  return (await claimOrReread(db, wanted))?.claimed ?? [];
}

type Wanted = {
  notifications: readonly Named[];
  token: string;
  now: number;
  open: TransportName[];
  closed: TransportName[];
  limit: number;
};

const othersThan = (
  open: readonly TransportName[],
  transports: Claiming["transports"],
): TransportName[] => transports.flatMap(({ name }) => (open.includes(name) ? [] : [name]));

/**
 * A claim whose reply was lost may hold emails: unless it is read, they wait until its lease
 * expires.
 */
async function claimOrReread(db: D1Database, wanted: Wanted): Promise<Claim | null> {
  const { notifications, token, now } = wanted;
  try {
    const claimed = await within(
      WRITE_TIMEOUT_MS,
      claim(db, {
        ...wanted,
        leaseExpiresAt: now + LEASE_MS,
        limit: Math.min(wanted.limit, notifications.length),
      }),
    );
    countTransaction("committed");
    return claimed;
  } catch (error) {
    log("error", "email.claim_failed", {
      notifications: notifications.length,
      ...describeError(error),
    });
    const claimed = await within(WRITE_TIMEOUT_MS, claimedBy(db, token)).catch(() => null);
    countTransaction(claimed === null ? "unknown" : claimed.length === 0 ? "failed" : "committed");
    return claimed === null || claimed.length === 0 ? null : { claimed, early: [], pace: [] };
  }
}
