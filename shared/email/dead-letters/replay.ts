import { ring, type Outbox } from "../outbox.ts";
import { oldestDeadMails, replay } from "./store.ts";

/** Field names are those of the HTTP API. `success` means requeued. */
type ProcessedItem = { id: string; success: boolean; status: string; attempts: number; error?: string };

export type Processed = { processed: number; errors: number; items: ProcessedItem[] };

/**
 * Queues dead mails again: those named, else the `limit` oldest. What is not dead (any more) is refused by name, so
 * replaying twice at the same moment sends once.
 */
export async function processDeadLetters(
  outbox: Outbox,
  wanted: { limit: number; ids?: string[] | undefined },
  now: number,
): Promise<Processed> {
  const ids = [...new Set(wanted.ids ?? (await oldestDeadMails(outbox.db, wanted.limit)))];
  const { requeued, refused } = await replay(outbox.db, ids, now);
  await ring(
    outbox,
    requeued.map((mail) => ({ ...mail, dueAt: now })),
    now,
  );

  const done = new Map<string, ProcessedItem>();
  for (const mail of refused) {
    done.set(mail.id, {
      id: mail.id,
      success: false,
      status: mail.status,
      attempts: mail.attempts,
      error: `only dead mails are replayed; this one is ${mail.status}`,
    });
  }
  for (const mail of requeued) done.set(mail.id, { id: mail.id, success: true, status: "queued", attempts: mail.attempts });
  const items = ids.map((id) => done.get(id) ?? { id, success: false, status: "not-found", attempts: 0, error: "there is no such mail" });
  return { processed: requeued.length, errors: items.length - requeued.length, items };
}
