import type { Answer } from "../../test/support/http.ts";
import type { KilledLuna } from "./killed-luna.ts";
import { recipient } from "./plan.ts";

/** What the sender and the operator do while the faults happen. */

const SWEEP_EVERY_MS = 5_000;
const MAILS_A_CALL = 25;
const PAGE = 100;

export type Accepted = { id: string; at: number };

/**
 * Posts mails at a steady rate, each call under an Idempotency-Key and again until every mail of it
 * is accepted: only then does the sender believe it.
 *
 * @returns in the order of their numbers
 */
export async function postAll(
  luna: KilledLuna,
  mails: number,
  aSecond: number,
  key: string,
): Promise<Accepted[]> {
  const accepted: Accepted[] = [];
  const startedAt = Date.now();
  for (let from = 0; from < mails; from += MAILS_A_CALL) {
    await sleep(startedAt + (from / aSecond) * 1_000 - Date.now());
    const numbers = Array.from(
      { length: Math.min(MAILS_A_CALL, mails - from) },
      (_, n) => from + n,
    );
    const emails = numbers.map((n) => ({
      to: recipient(n),
      subject: `Mail ${n}`,
      text: `This is mail ${n}.`,
    }));
    const all = ({ status, body }: Answer): boolean =>
      status === 202 && body.accepted === emails.length;
    const body = await luna.untilGood("POST", "/api/emails/batch", { emails }, all, {
      "Idempotency-Key": `${key}-${from}`,
    });
    const at = Date.now();
    accepted.push(...(body.items as { id: string }[]).map(({ id }) => ({ id, at })));
  }
  return accepted;
}

/**
 * Sweeps until nothing is on its way, replays the dead whose attempts ran out, and goes on until
 * there is nothing to replay either.
 *
 * @returns mails replayed
 */
export async function settleAll(luna: KilledLuna): Promise<number> {
  const replayed = new Set<string>();
  for (;;) {
    await untilQuiet(luna);
    const letters = await luna.untilGood(
      "GET",
      `/api/admin/email/dlq?reason=exhausted&limit=${PAGE}`,
      undefined,
      isOk,
    );
    if (letters.items.length === 0) return replayed.size;
    // A kill may take its answer away: what was replayed then is no longer dead, and the next look
    // does not find it.
    for (const { id } of letters.items as { id: string }[]) replayed.add(id);
    const wanted = { filter: { reason: "exhausted" }, limit: PAGE, ratePerSecond: 50 };
    await luna.call("POST", "/api/admin/email/process-dlq", wanted).catch(() => null);
  }
}

/** Nothing queued, in flight, or dead without its dead letter. */
async function untilQuiet(luna: KilledLuna): Promise<void> {
  for (;;) {
    await luna.call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run").catch(() => null);
    const { email } = (await luna.untilGood("GET", "/health", undefined, isOk)).checks;
    process.stdout.write(
      `queued ${email.queued}, in flight ${email.inFlight}, unknown ${email.unknown}, dead letters ${email.dead}\n`,
    );
    if (email.queued + email.inFlight === 0 && (await countDead(luna)) === email.dead) return;
    await sleep(SWEEP_EVERY_MS);
  }
}

async function countDead(luna: KilledLuna): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const next = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await luna.untilGood(
      "GET",
      `/api/emails?status=dead&limit=${PAGE}${next}`,
      undefined,
      isOk,
    );
    count += page.items.length;
    cursor = page.nextCursor as string | undefined;
  } while (cursor !== undefined);
  return count;
}

const isOk = ({ status }: Answer): boolean => status === 200;

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(ms, 0)));
}
