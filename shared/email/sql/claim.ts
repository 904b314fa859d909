import { runBatch } from "../../database/batch.ts";
import type { Notification } from "../queue-messages.ts";
import type { Claimed } from "../rules/claimed.ts";
import type { TransportName } from "../rules/transports.ts";
import { waitedOf } from "../rules/waits.ts";
import { hasBacklog } from "./backlogs.ts";
import { FORMAT, fromJson, pick, selectionOf, type EmailRow, type RowOf } from "./columns.ts";
import { tenantHasEnded } from "./ended-tenants.ts";
import { nextEvent } from "./events.ts";
import { filesColumn } from "./named-files.ts";
import { hasOpenTransport, orderColumn } from "./named-sender.ts";
import { closedTransports, readPace, type Pace } from "./pace.ts";
import { isPaused, waitsForPause } from "./pauses.ts";
import { hasNobodyLeft, leaveOutSuppressed, someAreSuppressed } from "./recipients.ts";
import { asWait, firstWait, waitsAs, type TransportWait } from "./waits.ts";

/**
 * SQL of claiming what is due. Every change of status is guarded by the status it starts from, so a
 * statement that is late, repeated or raced changes nothing. Its event is written in the same
 * batch, before the update, under the same guard.
 */

type Due = EmailRow<"id" | "generation" | "dueAt">;
const dueColumns = selectionOf(pick("id", "generation", "dueAt"));

export type Claim = {
  claimed: Claimed[];
  /** Due later: a queue could not delay their notification for as long. */
  early: Due[];
  /** Of the transports that were open. */
  pace: Pace[];
};

const picked = pick(
  "id",
  "tenant",
  "generation",
  "attempts",
  "onUnknown",
  "category",
  "dueAt",
  "traceId",
  "transport",
  "pinnedUntil",
  "generationAt",
  "sendAt",
  "waitClass",
  "waits",
  "waitsFrom",
  "waitingSince",
);
type Further = { order: ReturnType<typeof orderColumn>; files: ReturnType<typeof filesColumn> };
const claimedFields: typeof picked & Further = {
  ...picked,
  order: orderColumn("emails"),
  files: filesColumn("emails"),
};
const claimedColumns = selectionOf(claimedFields);

type ClaimedRow = RowOf<typeof claimedFields> & { hasBacklog?: number };

function claimedOf(row: ClaimedRow): Claimed {
  const { transport, pinnedUntil, order, hasBacklog: has, files: json, ...rest } = row;
  const { generationAt, sendAt, waitClass, waits, waitsFrom, ...email } = rest;
  const files = json === null ? [] : fromJson(json);
  const since = Math.max(generationAt, sendAt ?? 0, waitsFrom ?? 0);
  const last = waitedOf(waitClass, waits);
  return {
    ...email,
    transportOrder: order === null ? [] : fromJson(order),
    hasBacklog: has === 1,
    pinned:
      transport === null || pinnedUntil === null ? null : { to: transport, until: pinnedUntil },
    ...(files.length > 0 && { files, waiting: { since, last } }),
  };
}

const suppressedDetail = JSON.stringify({
  transport: "none",
  phase: "suppression",
  text: "the recipient is suppressed",
});

const endedDetail = JSON.stringify({
  transport: "none",
  phase: "tenant",
  text: "the tenant has ended",
});

const pausedDetail = JSON.stringify({
  transport: "none",
  phase: "pause",
  text: "an operator has paused these emails",
});

/** `ahead`: its turn comes before those of the others. */
export type Named = Notification & { ahead?: true };

/** Notifications as the statements take them: `?1`. */
function asJson(notifications: readonly Named[]): string {
  return JSON.stringify(
    notifications.map(({ emailId: id, generation, ahead }) => ({
      id,
      generation,
      ...(ahead === true && { ahead: 1 }),
    })),
  );
}

/**
 * SQL: the emails `e` that the notifications `?1` name. Those of a later release wait for
 * its consumer.
 */
const notified = `json_each(?1) n JOIN emails e ON e.id = n.value ->> 'id'
  AND e.generation = n.value ->> 'generation' AND e.format <= ${FORMAT}`;
/**
 * What is due within a minute has another notification, or gets one from the sweeper. One more for
 * each would multiply them.
 */
const EARLY_MS = 60_000;
/** SQL, with the time as `?2`. */
const selectEarly = `SELECT ${dueColumns.list()} FROM emails
  WHERE id IN (SELECT e.id FROM ${notified} WHERE e.status IN ('scheduled', 'queued', 'pinned'))
    AND due_at > ?2 + ${EARLY_MS}`;
/** SQL, with the time as `?2`: scheduled emails whose time has come. */
const notifiedScheduled = `SELECT e.id FROM ${notified}
  WHERE e.status = 'scheduled' AND e.due_at <= ?2`;

type Claiming = {
  notifications: readonly Named[];
  token: string;
  now: number;
  leaseExpiresAt: number;
  /**
   * The transports that take emails now, unless a limit closes them: what is pinned to another
   * waits.
   */
  open: readonly TransportName[];
  /** The others that are configured: what its sender sends by them alone waits. */
  closed?: readonly TransportName[];
  /** How many to claim at most, transactional ones first; all by default. */
  limit?: number;
};

/**
 * Claims what is due among `notifications` under a new lease token. Each row goes to one claim
 * only, however many race.
 */
export async function claim(db: D1Database, claiming: Claiming): Promise<Claim> {
  const { notifications, token, now, leaseExpiresAt } = claiming;
  const { open, closed = [], limit = notifications.length } = claiming;
  const named = asJson(notifications);
  // A pinned email is asked about with the same recipients or not at all.
  const stopped = `SELECT e.id FROM ${notified} WHERE e.status IN ('queued', 'pinned')
    AND (${tenantHasEnded} OR iif(e.status = 'pinned', ${someAreSuppressed}, ${hasNobodyLeft}))`;
  // An email whose outcome is open must not be recorded as not sent.
  const stoppedAs = `CASE WHEN e.status = 'pinned' THEN 'unknown'
    WHEN ${tenantHasEnded} THEN 'cancelled' ELSE 'suppressed' END`;
  const because = `CASE WHEN ${tenantHasEnded} THEN ?3 ELSE ?4 END`;
  const paused = `SELECT e.id FROM ${notified}
    WHERE e.status IN ('queued', 'pinned') AND e.due_at <= ?2 AND ${isPaused}`;
  const takes = `SELECT value FROM json_each(?4) WHERE value NOT IN (${closedTransports})`;
  const takesNone = `SELECT value FROM json_each(?5) UNION ALL
    SELECT value FROM json_each(?4) WHERE value IN (${closedTransports})`;
  const due = `SELECT e.id FROM ${notified} WHERE e.due_at <= ?2
    AND ((e.status = 'queued' AND EXISTS (${takes}) AND ${hasOpenTransport(takes, takesNone)})
      OR (e.status = 'pinned' AND e.transport IN (${takes})))
    ORDER BY n.value ->> 'ahead' DESC, e.lane, e.due_at, e.id LIMIT ?3`;
  const [openNames, closedNames] = [JSON.stringify(open), JSON.stringify(closed)];
  const replies = await runBatch(db, {
    promote: promote(db, notifiedScheduled, named, now),
    stoppedEvents: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT e.id, ${nextEvent("e.id")},
           e.generation, ${stoppedAs}, ?2, ${because} FROM emails e
         WHERE e.id IN (${stopped})`,
      )
      .bind(named, now, endedDetail, suppressedDetail),
    stop: db
      .prepare(
        `UPDATE emails AS e SET status = ${stoppedAs}, pinned_until = NULL,
           last_error = ${because}, updated_at = ?2 WHERE id IN (${stopped})`,
      )
      .bind(named, now, endedDetail, suppressedDetail),
    leaveOut: leaveOutSuppressed(db, notified, named, suppressedDetail),
    paused: db
      .prepare(`UPDATE emails SET last_error = ?3, ${waitsForPause("?2")} WHERE id IN (${paused})`)
      .bind(named, now, pausedDetail),
    claimedEvents: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at)
         SELECT id, ${nextEvent("emails.id")},
           generation, 'claimed', ?2 FROM emails WHERE id IN (${due})`,
      )
      .bind(named, now, limit, openNames, closedNames),
    claimed: db
      .prepare(
        `UPDATE emails SET status = 'claimed', lease_token = ?6, lease_expires_at = ?7,
           waits_from = iif(wait_class = 'paused', ?2, waits_from),
           wait_class = NULLIF(wait_class, 'paused'), updated_at = ?2 WHERE id IN (${due})
         RETURNING ${claimedColumns.list()}, ${hasBacklog} AS hasBacklog`,
      )
      .bind(named, now, limit, openNames, closedNames, token, leaseExpiresAt),
    early: db.prepare(selectEarly).bind(named, now),
    pace: readPace(db, open, now),
  });
  return {
    claimed: claimedColumns.rows(replies.claimed).map(claimedOf),
    early: dueColumns.rows(replies.early),
    pace: replies.pace.results as Pace[],
  };
}

/** What a claim holds whose reply was lost. It reads what is in flight. */
export async function claimedBy(db: D1Database, token: string): Promise<Claimed[]> {
  const reply = await db
    .prepare(
      `SELECT ${claimedColumns.list()} FROM emails
       WHERE status IN ('claimed', 'sending') AND status = 'claimed' AND lease_token = ?1`,
    )
    .bind(token)
    .all();
  return claimedColumns.rows(reply).map(claimedOf);
}

/** `limited`: because of a limit. `waits`: for each transport, the shortest first. */
type Postponing = {
  notifications: Notification[];
  until: number;
  detail: string;
  now: number;
  limited?: boolean;
  waits?: readonly TransportWait[];
};

/**
 * Postpones what is due among `notifications` and was not claimed, because no transport takes it
 * now. It uses up no attempt and writes no event: its status stays. Each waits for the first of the
 * transports that it may go to.
 *
 * @param postponing how long and why (`detail`, as JSON) those wait for which none of `waits` holds
 * @returns what to notify of again
 */
export async function postpone(
  db: D1Database,
  { notifications, until, detail, now, limited = false, waits = [] }: Postponing,
): Promise<Due[]> {
  const named = asJson(notifications);
  const replies = await runBatch(db, {
    promote: promote(db, notifiedScheduled, named, now),
    early: db.prepare(selectEarly).bind(named, now),
    postponed: db
      .prepare(
        `UPDATE emails SET ${waitsAs("p.wait", "?2")}
         FROM (SELECT e.id AS email, ${firstWait("?3", "?4")} AS wait FROM ${notified}
               WHERE e.status IN ('queued', 'pinned') AND e.due_at <= ?2) AS p
         WHERE emails.id = p.email
         RETURNING ${dueColumns.list()}`,
      )
      .bind(
        named,
        now,
        JSON.stringify(waits.map((wait) => asWait(wait, now))),
        JSON.stringify(asWait({ until, detail, limited }, now)),
      ),
  });
  return [...dueColumns.rows(replies.early), ...dueColumns.rows(replies.postponed)];
}

/** Queues scheduled emails whose time has come, longest due first. */
export async function promoteDue(db: D1Database, now: number, limit: number): Promise<void> {
  const scheduled = `SELECT id FROM emails WHERE status = 'scheduled' AND due_at <= ?2
                     ORDER BY due_at, id LIMIT ?1`;
  await db.batch(promote(db, scheduled, limit, now));
}

/** @param selected SQL for the ids, with `first` as `?1` and `now` as `?2` */
function promote(
  db: D1Database,
  selected: string,
  first: string | number,
  now: number,
): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at)
         SELECT id, ${nextEvent("emails.id")},
           generation, 'queued', ?2 FROM emails WHERE id IN (${selected})`,
      )
      .bind(first, now),
    db
      .prepare(`UPDATE emails SET status = 'queued', updated_at = ?2 WHERE id IN (${selected})`)
      .bind(first, now),
  ];
}
