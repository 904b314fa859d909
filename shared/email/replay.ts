import type { DeadLetterFilter } from "./sql/dead-letter-filter.ts";
import { oldestDeadEmails, replay, findStatuses, type Replayed } from "./sql/dead-letters.ts";

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

export type ReplayRequest = {
  limit: number;
  ids?: string[] | undefined;
  filter?: DeadLetterFilter | undefined;
};

const SECOND_MS = 1_000;

/** Those that are named, else the `limit` oldest that match. */
export async function wantedEmails(
  db: D1Database,
  { ids, filter, limit }: ReplayRequest,
): Promise<string[]> {
  return [...new Set(ids ?? (await oldestDeadEmails(db, filter ?? {}, limit)))];
}

/** What a replay would do. */
export async function previewReplay(db: D1Database, ids: string[]): Promise<Processed> {
  const emails = await findStatuses(db, ids);
  const [dead, refused] = [
    emails.filter(isReplayable),
    emails.filter((email) => !isReplayable(email)),
  ];
  return summary(ids, dead, refused, "dead");
}

/**
 * Queues dead emails again. What is not dead (any more) is refused by name, so replaying twice at
 * the same moment sends once. One batch: a process that dies before it has replayed nothing, one
 * that dies after it all. A repeat goes on with what is still dead.
 *
 * @returns what became of each, and what to notify of
 * @param ratePerSecond emails per second that become due, so that a backlog does not meet the
 *   provider all at once
 */
export async function replayDeadLetters(
  db: D1Database,
  ids: string[],
  ratePerSecond: number,
  now: number,
): Promise<{ processed: Processed; requeued: Replayed["requeued"] }> {
  const { requeued, refused } = await replay(db, ids, SECOND_MS / ratePerSecond, now);
  return { processed: summary(ids, requeued, refused, "queued"), requeued };
}

type Refused = Replayed["refused"][number];

const isReplayable = ({ status, content }: Refused): boolean => status === "dead" && content === 1;

function summary(
  ids: string[],
  done: { id: string; attempts: number }[],
  refused: Refused[],
  status: "queued" | "dead",
): Processed {
  const known = new Map<string, ProcessedItem>();
  for (const { content: _, ...email } of refused)
    known.set(email.id, {
      ...email,
      success: false,
      error:
        email.status === "dead"
          ? "its content was deleted after EMAIL_CONTENT_RETENTION_DAYS"
          : `only dead emails are replayed; this one is ${email.status}`,
    });
  for (const { id, attempts } of done) known.set(id, { id, success: true, status, attempts });
  const items = ids.map(
    (id) =>
      known.get(id) ?? {
        id,
        success: false,
        status: "not-found",
        attempts: 0,
        error: "there is no such email",
      },
  );
  return { processed: done.length, errors: items.length - done.length, items };
}
