import { runBatch } from "../../database/batch.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { RateAnswer } from "../rules/pace.ts";
import type { TransportName } from "../rules/transports.ts";
import {
  contentColumns,
  emailColumns,
  headerColumns,
  notNull,
  pick,
  selectionOf,
  type RowOf,
} from "./columns.ts";
import { nextEvent } from "./events.ts";
import { filesColumn } from "./named-files.ts";
import {
  mayGoTo,
  noteRateAnswer,
  readPace,
  reserveRate,
  type Pace,
  type Reservation,
} from "./pace.ts";
import { recipientsColumn } from "./recipients.ts";
import { settleUnderLease, type Settled } from "./settle.ts";

/**
 * SQL of handing emails over. Every change of status is guarded by the status it starts from, and
 * after the claim by the lease token, so a statement that is late, repeated or raced changes
 * nothing. Its event is written in the same batch, before the update, under the same guard.
 */

const headFields = {
  ...headerColumns,
  ...pick("id", "generation", "part", "generationAt", "attempts", "onUnknown", "category"),
  ...pick("test"),
  ...pick("traceId", "pinnedUntil", "sendAt", "textFromHtml", "waitClass", "waits", "waitsFrom"),
  leaseExpiresAt: notNull(emailColumns.leaseExpiresAt),
  transport: notNull(emailColumns.transport),
};
const heads = selectionOf(headFields);
const recipients: { recipients: ReturnType<typeof recipientsColumn> } = {
  recipients: recipientsColumn("e"),
};
const contents = selectionOf(contentColumns);

const files: { files: ReturnType<typeof filesColumn> } = { files: filesColumn("e") };

export type EmailInHandOver = RowOf<
  typeof headFields & typeof contentColumns & typeof recipients
> & { files?: RowOf<typeof files>["files"] };

/**
 * An email that goes to a transport: a claimed one, or one in hand-over that `from` has just
 * refused.
 */
type Mark = {
  id: string;
  transport: TransportName;
  failover: { from: TransportName; refusal: AttemptDetail } | null;
};

export type Marked = {
  /**
   * The marked emails, each under this lease. One whose transport had no reservation, or is closed,
   * is not among them: it is still claimed.
   */
  emails: EmailInHandOver[];
  /** Of the transports that were to get emails. */
  pace: Pace[];
};

export type Recording = {
  token: string;
  settled: Settled[];
  marks: Mark[];
  /** For the transports that have a rate: their marks depend on it. */
  reservations: Reservation[];
  /** What the emails of the last group were answered about rates. `everyMs`: as configured. */
  answers?: (RateAnswer & { everyMs: number | null })[];
  now: number;
  leaseExpiresAt: number;
};

/**
 * Records what became of one group of emails and marks the next as `sending`, in one batch. Safe to
 * repeat when its reply was lost: what is settled stays settled, and the group that it marked is
 * returned again.
 */
export async function recordAndMarkSending(
  db: D1Database,
  { token, settled, marks, reservations, answers = [], now, leaseExpiresAt }: Recording,
): Promise<Marked> {
  const groupIds = new Map(reservations.map(({ transport, groupId }) => [transport, groupId]));
  const next = JSON.stringify(
    marks.map(({ id, transport, failover }) => ({
      id,
      transport,
      from: failover?.from ?? null,
      groupId: groupIds.get(transport) ?? null,
      detail: JSON.stringify(
        failover === null ? { transport } : { transport, failedOver: failover.refusal },
      ),
    })),
  );
  // The transport that the row names distinguishes a failover from its own repeat. The plus keeps
  // SQLite from the token's index: it would read all that the lease holds for each email of the
  // group.
  const marked = `json_each(?1) AS m ON e.id = m.value ->> 'id' AND +e.lease_token = ?3
    AND (CASE WHEN m.value ->> 'from' IS NULL THEN e.status = 'claimed'
              ELSE e.status = 'sending' AND e.transport = m.value ->> 'from' END)
    AND ${mayGoTo("m.value ->> 'transport'", "m.value ->> 'groupId'")}`;
  const replies = await runBatch(db, {
    answers: answers.flatMap((answer) => noteRateAnswer(db, answer, answer.everyMs, now)),
    settle: settleUnderLease(db, settled, token, now),
    reserve: reservations.map((reservation) => reserveRate(db, reservation, now)),
    sendingEvents: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT e.id, ${nextEvent("e.id")},
           e.generation, 'sending', ?2, m.value ->> 'detail'
         FROM emails AS e JOIN ${marked}`,
      )
      .bind(next, now, token),
    mark: db
      .prepare(
        `UPDATE emails SET status = 'sending', attempts = attempts + m.claimed,
           transport = m.transport, lease_expires_at = ?4, updated_at = ?2
         FROM (SELECT e.id AS id, e.status = 'claimed' AS claimed,
                      m.value ->> 'transport' AS transport FROM emails AS e JOIN ${marked}) AS m
         WHERE emails.id = m.id`,
      )
      .bind(next, now, token, leaseExpiresAt),
    pace: readPace(db, [...new Set(marks.map(({ transport }) => transport))], now),
    emails: db
      .prepare(
        `SELECT ${heads.list("e")}, ${contents.list("c")},
           ${selectionOf({ ...recipients, ...files }).list()} FROM json_each(?1) AS m
         JOIN emails AS e ON e.id = m.value ->> 'id' AND e.transport = m.value ->> 'transport'
         JOIN email_contents AS c ON c.email_id = e.id
         WHERE +e.lease_token = ?2 AND e.status = 'sending'`,
      )
      .bind(next, token),
  });
  return {
    emails: replies.emails.results as EmailInHandOver[],
    pace: replies.pace.results as Pace[],
  };
}
