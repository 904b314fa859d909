import {
  oldestDeadEmails,
  replay,
  statusOf,
  type DeadLetterFilter,
  type Replay,
} from "./sql/dead-letters.ts";

/**
 * Field names are those of the HTTP API. `success` means requeued, or with `dryRun` that it would
 * be.
 */
type ProcessedItem = {
  id: string;
  success: boolean;
  status: string;
  attempts: number;
  error?: string;
};

type Processed = { processed: number; errors: number; items: ProcessedItem[] };

export type Wanted = {
  limit: number;
  ids?: string[] | undefined;
  filter?: DeadLetterFilter | undefined;
};

const SECOND_MS = 1_000;

/** Those that are named, else the `limit` oldest that match. */
export async function wantedEmails(
  db: D1Database,
  { ids, filter, limit }: Wanted,
): Promise<string[]> {
  return [...new Set(ids ?? (await oldestDeadEmails(db, filter ?? {}, limit)))];
}

/** What a replay would do. */
export async function previewReplay(db: D1Database, ids: string[]): Promise<Processed> {
  const mails = await statusOf(db, ids);
  const [dead, refused] = [
    mails.filter(({ status }) => status === "dead"),
    mails.filter(({ status }) => status !== "dead"),
  ];
  return summary(ids, dead, refused, "dead");
}

/**
 * Queues dead mails again. What is not dead (any more) is refused by name, so replaying twice at
 * the same moment sends once. One batch: a process that dies before it has replayed nothing, one
 * that dies after it all, and whoever asks again goes on with what is still dead.
 *
 * @returns what became of each, and what is to be rung for
 * @param ratePerSecond mails a second that become due, so that a backlog does not meet the provider
 *   all at once
 */
export async function replayDeadLetters(
  db: D1Database,
  ids: string[],
  ratePerSecond: number,
  now: number,
): Promise<{ processed: Processed; requeued: Replay["requeued"] }> {
  const { requeued, refused } = await replay(db, ids, SECOND_MS / ratePerSecond, now);
  return { processed: summary(ids, requeued, refused, "queued"), requeued };
}

function summary(
  ids: string[],
  done: { id: string; attempts: number }[],
  refused: { id: string; status: string; attempts: number }[],
  status: "queued" | "dead",
): Processed {
  const known = new Map<string, ProcessedItem>();
  for (const mail of refused)
    known.set(mail.id, {
      ...mail,
      success: false,
      error: `only dead mails are replayed; this one is ${mail.status}`,
    });
  for (const { id, attempts } of done) known.set(id, { id, success: true, status, attempts });
  const items = ids.map(
    (id) =>
      known.get(id) ?? {
        id,
        success: false,
        status: "not-found",
        attempts: 0,
        error: "there is no such mail",
      },
  );
  return { processed: done.length, errors: items.length - done.length, items };
}
