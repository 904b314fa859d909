import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../../test/support/http.ts";
import type { KilledLuna } from "./killed-luna.ts";
import { copyRecipient, recipient } from "./mail-server.ts";

/** What the sender and the operator do during the outages. */

const SWEEP_EVERY_MS = 5_000;
const EMAILS_PER_CALL = 25;
const PAGE = 100;

export type Accepted = { id: string; at: number };

/**
 * Posts emails at a steady rate. Each call has an Idempotency-Key and is repeated until every email
 * in it is accepted.
 *
 * @returns in the order of their numbers
 */
export async function postAll(
  luna: KilledLuna,
  emails: number,
  perMinute: number,
  key: string,
): Promise<Accepted[]> {
  const accepted: Accepted[] = [];
  const startedAt = Date.now();
  for (let from = 0; from < emails; from += EMAILS_PER_CALL) {
    await sleep(Math.max(startedAt + (from / perMinute) * 60_000 - Date.now(), 0));
    const batch = Array.from({ length: Math.min(EMAILS_PER_CALL, emails - from) }, (_, n) => {
      const cc = copyRecipient(from + n);
      return {
        to: recipient(from + n),
        ...(cc !== null && { cc: [cc] }),
        subject: `Email ${from + n}`,
        text: `This is email ${from + n}.`,
      };
    });
    const isAccepted = ({ status, body }: Answer): boolean =>
      status === 202 && body.accepted === batch.length;
    const { items } = await luna.untilGood("POST", "/api/emails/batch", isAccepted, {
      body: { emails: batch },
      headers: { "Idempotency-Key": `${key}-${from}` },
    });
    const at = Date.now();
    accepted.push(...(items as { id: string }[]).map(({ id }) => ({ id, at })));
  }
  process.stdout.write(`all ${emails} emails are accepted\n`);
  return accepted;
}

/**
 * Sweeps until no email is queued or in flight, and replays the dead letters whose attempts are
 * used up, until there are none.
 *
 * @returns emails replayed
 */
export async function settleAll(luna: KilledLuna): Promise<number> {
  const replayed = new Set<string>();
  for (;;) {
    await untilQuiet(luna);
    const path = `/api/admin/email/dlq?reason=exhausted&limit=${PAGE}`;
    const items = (await luna.untilGood("GET", path)).items as { id: string }[];
    if (items.length === 0) return replayed.size;
    // A SIGKILL may cut off the answer. The replayed emails are then no longer in the next page.
    for (const { id } of items) replayed.add(id);
    const wanted = { filter: { reason: "exhausted" }, limit: PAGE, ratePerSecond: 50 };
    await luna.call("POST", "/api/admin/email/process-dlq", wanted).catch(() => null);
  }
}

/** Nothing queued, nothing in flight, and no dead email without its dead letter. */
async function untilQuiet(luna: KilledLuna): Promise<void> {
  for (;;) {
    await luna.call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run").catch(() => null);
    const { queued, inFlight, unknown, dead } = (await luna.untilGood("GET", "/health")).checks
      .email;
    process.stdout.write(
      `queued ${queued}, in flight ${inFlight}, unknown ${unknown}, dead letters ${dead}\n`,
    );
    if (queued + inFlight === 0 && (await countDead(luna)) === dead) return;
    await sleep(SWEEP_EVERY_MS);
  }
}

async function countDead(luna: KilledLuna): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const next = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await luna.untilGood("GET", `/api/emails?status=dead&limit=${PAGE}${next}`);
    count += page.items.length;
    cursor = page.nextCursor as string | undefined;
  } while (cursor !== undefined);
  return count;
}
