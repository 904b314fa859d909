import {
  sendSystemEmails,
  throwIfRefused,
  type SystemEmail,
  type SystemEmailsSent,
} from "../../shared/email/system-emails.ts";
import { MAX_COUNTED } from "../../shared/schedule/drain-in-batches.ts";
import type { CronEnv } from "../env.ts";

/** Emails per page: what one acceptance takes. */
const PAGE = 200;
/** Pages per run: the runs of an execution share the queries that D1 allows it. */
const MAX_PAGES = 25;

type EmailsOf<Item> = {
  emailOf: (item: Item) => SystemEmail;
  mark: (items: Item[]) => Promise<void>;
};

type Pages<Item> = EmailsOf<Item> & {
  /** The next items without an email after one of them, or from the beginning. */
  read: (after: Item | null, limit: number) => Promise<Item[]>;
  /** How many items without an email follow one of them, counted up to `limit`. */
  countAfter: (after: Item | null, limit: number) => Promise<number>;
  /** Is called when each item up to `last` is marked, and with `finished` if none follows. */
  passed?: (last: Item | null, finished: boolean) => Promise<void>;
  signal: AbortSignal;
};

/**
 * Sends one email per item, page after page, until no item follows, the run has sent 5,000, or it
 * is aborted.
 *
 * @returns `left`: how many items have no email yet, counted up to 100,000
 * @throws Error if an email was refused, after the others were sent and marked
 */
export async function sendPages<Item>(
  env: CronEnv,
  { read, countAfter, passed, signal, ...emails }: Pages<Item>,
): Promise<{ marked: number; left: number }> {
  const refused: SystemEmailsSent["refused"] = [];
  let marked = 0;
  let unmarked = 0;
  let last: Item | null = null;
  let finished = false;
  for (let page = 0; page < MAX_PAGES && !finished && !signal.aborted; page += 1) {
    const items: Item[] = await read(last, PAGE);
    const sent = await sendAndMark(env, items, emails);
    marked += sent.marked;
    unmarked += items.length - sent.marked;
    refused.push(...sent.refused);
    last = items.at(-1) ?? last;
    finished = items.length < PAGE;
    if (unmarked === 0) await passed?.(last, finished);
  }
  throwIfRefused(refused);
  return { marked, left: unmarked + (finished ? 0 : await countAfter(last, MAX_COUNTED)) };
}

/**
 * Sends one email per item and marks the items whose email was accepted or is suppressed. The
 * others are left to the next run. If the process dies before an item is marked, the idempotency
 * key prevents a second email for a day.
 */
async function sendAndMark<Item>(
  env: CronEnv,
  items: Item[],
  { emailOf, mark }: EmailsOf<Item>,
): Promise<{ marked: number; refused: SystemEmailsSent["refused"] }> {
  if (items.length === 0) return { marked: 0, refused: [] };
  const emails = items.map(emailOf);
  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const sent = await sendSystemEmails(outbox, env, emails, Date.now());
  const settled = new Set([...sent.accepted, ...sent.suppressed]);
  const marked = items.filter((_, n) => settled.has(emails[n]?.key ?? ""));
  await mark(marked);
  return { marked: marked.length, refused: sent.refused };
}
