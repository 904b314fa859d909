import { vi } from "vitest";
import { beginAudit } from "../../shared/database/audit-log.ts";
import type { Settlement } from "../../shared/email/rules/lifecycle.ts";
import { claim, promoteDue } from "../../shared/email/sql/claim.ts";
import { recordDeadLetters } from "../../shared/email/sql/dead-letters.ts";
import { recordAndMarkSending } from "../../shared/email/sql/delivery.ts";
import { takeFeedback } from "../../shared/email/sql/feedback.ts";
import { acceptEach } from "../../shared/email/sql/submissions.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import { runDue } from "../../shared/schedule/execution.ts";
import { expireConfirmations } from "../../workers/cron/tasks/expire-confirmations.ts";
import { expireDeadLetters } from "../../workers/cron/tasks/expire-dead-letters.ts";
import { expireEmails } from "../../workers/cron/tasks/expire-emails.ts";
import { expireIdempotencyKeys } from "../../workers/cron/tasks/expire-idempotency-keys.ts";
import { expireWebhookMessages } from "../../workers/cron/tasks/expire-webhook-messages.ts";
import { pruneHistory } from "../../workers/cron/tasks/prune-history.ts";
import { rollUpUsage } from "../../workers/cron/tasks/roll-up-usage.ts";
import type { CronEnv } from "../../workers/env.ts";
import { notification } from "../support/emails.ts";
import { SqliteD1 } from "../support/sqlite.ts";

/** A Luna with so many emails per day, by the code that accepts, delivers and deletes them. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const tasks = [
  expireEmails,
  expireIdempotencyKeys,
  expireDeadLetters,
  expireConfirmations,
  expireWebhookMessages,
  pruneHistory,
  rollUpUsage,
];

/** What is stored at the end of a day. `rows`, `bytes`: of each table, its indexes included. */
export type Stored = {
  day: number;
  rows: Record<string, number>;
  bytes: Record<string, number>;
  fileBytes: number;
};
/** Days between two looks at what is stored. */
const LOOK_DAYS = 10;
const PAGE_BYTES = 4_096;

/** 1.2 to 2.2 kB, as the templates make it. */
const html = (n: number): string => `<p>${"x".repeat(1_200 + ((n * 331) % 1_000))}</p>`;

/** Lives so many days. @returns what is stored after each tenth day */
export async function liveFor(days: number, emailsPerDay: number): Promise<Stored[]> {
  const d1 = new SqliteD1();
  const db = d1.binding(() => undefined);
  const start = Date.parse("2027-01-01T00:00:00Z");
  const stored: Stored[] = [];
  await db
    .prepare(
      `INSERT INTO users (user_id, email, tier, created_at, updated_at)
       SELECT 'user-' || value, 'user-' || value || '@example.com', 'pro', ?1, ?1
       FROM json_each('[1,2,3,4,5]')`,
    )
    .bind(start)
    .run();
  let sent = 0;
  for (let day = 0; day < days; day += 1) {
    const midnight = start + day * DAY_MS;
    vi.setSystemTime(midnight);
    await countUsage(db, day);
    await act(db, day);
    const ids = await accept(db, emailsPerDay, sent);
    sent += emailsPerDay;
    await promoteDue(db, Date.now(), 1_000);
    await deliver(db, ids.concat(await due(db)), day);
    for (const hour of [0, 12]) {
      vi.setSystemTime(midnight + hour * HOUR_MS + 26 * 60_000);
      await runTasks(db);
    }
    if (day % LOOK_DAYS === LOOK_DAYS - 1) stored.push({ day: day + 1, ...storedIn(d1) });
  }
  return stored;
}

async function accept(db: D1Database, emails: number, from: number): Promise<string[]> {
  const now = Date.now();
  const submitted = Array.from({ length: emails }, (_, n) => ({
    id: newUuidV7(now, 0),
    tenant: n % 4 === 0 ? "admin" : `user:${(from + n) % 50}`,
    from: "Luna <hello@luna.example>",
    to: `user${(from + n) % 50}@example.com`,
    subject: "Hello",
    html: html(from + n),
    text: "Hello",
    onUnknown: "hold" as const,
    // One in a hundred is for later.
    ...((from + n) % 100 === 99 && { sendAt: now + 20 * DAY_MS }),
    key: { name: `order-${from + n}`, former: null, requestHash: "h", canonicalHash: "c" },
  }));
  await acceptEach(db, submitted, now, []);
  return submitted.map(({ id }) => id);
}

const due = async (db: D1Database): Promise<string[]> => {
  const { results } = await db
    .prepare("SELECT id FROM emails WHERE status = 'queued' AND due_at <= ?1")
    .bind(Date.now())
    .all<{ id: string }>();
  return results.map(({ id }) => id);
};

const detail = { transport: "smtp", phase: "DATA", text: "250 OK" } as const;

/** Of a thousand emails 7 are dead, 3 unknown; of the others the provider reports every second. */
async function deliver(db: D1Database, ids: string[], day: number): Promise<void> {
  const now = Date.now();
  const lease = { now, leaseExpiresAt: now + HOUR_MS };
  const token = `2:${day}`;
  const notifications = [...new Set(ids)].map((id) => notification(id));
  const { claimed } = await claim(db, { notifications, token, open: ["resend"], ...lease });
  const marks = claimed.map(({ id }) => ({ id, transport: "resend" as const, failover: null }));
  const nothing = { token, settled: [], marks: [], reservations: [], ...lease };
  await recordAndMarkSending(db, { ...nothing, marks });
  const settled = claimed.map(({ id, generation }, n) => ({
    id,
    generation,
    settlement: settlementOf((day * claimed.length + n) % 1_000),
    detail: { ...detail, transport: "resend" as const, providerId: `p-${id}` },
  }));
  await recordAndMarkSending(db, { ...nothing, settled });
  const dead = settled.filter(({ settlement }) => settlement.status === "dead");
  await recordDeadLetters(db, dead, 7, now);
  const delivered = settled.filter(({ settlement }, n) => settlement.status === "sent" && n % 2);
  for (const { id } of delivered)
    await takeFeedback(
      db,
      {
        provider: "resend",
        messageId: `m-${id}`,
        report: {
          email: { id, generation: 1, part: 1 },
          to: [],
          providerId: `p-${id}`,
          feedback: "delivered",
          suppress: null,
          detail,
        },
      },
      now,
    );
}

function settlementOf(place: number): Settlement {
  if (place < 7) return { status: "dead", attempts: 1, reason: "permanent" };
  return place < 10 ? { status: "unknown", attempts: 1 } : { status: "sent", attempts: 1 };
}

/** Each of five users counts on each day. */
const countUsage = (db: D1Database, day: number): Promise<unknown> =>
  db
    .prepare(
      `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
       SELECT 'user-' || value, 'calls', ?1, ?2 FROM json_each('[1,2,3,4,5]') WHERE TRUE
       ON CONFLICT (user_id, metric) DO UPDATE SET amount = excluded.amount,
         updated_at = excluded.updated_at`,
    )
    .bind(day + 1, Date.now())
    .run();

/** An operator acts, and an alert is notified. */
async function act(db: D1Database, day: number): Promise<void> {
  await beginAudit(db, {
    id: `entry-${day}`,
    at: Date.now(),
    actor: "ops",
    operation: "sendEmail",
    path: "/api/emails",
    requestId: "r",
  });
  await db
    .prepare(
      "INSERT INTO alert_notices (id, key, kind, summary, at) VALUES (?1, 'k', 'fired', '', ?2)",
    )
    .bind(`notice-${day}`, Date.now())
    .run();
}

async function runTasks(db: D1Database): Promise<void> {
  const { results } = await runDue(
    {
      db,
      context: { DB: db } as CronEnv,
      clock: { now: () => Date.now(), after: () => () => undefined },
      newId: () => crypto.randomUUID(),
      random: Math.random,
    },
    tasks,
  );
  for (const result of results) {
    if (result.status === "failure") throw new Error(`${result.task}: ${result.error.message}`);
    const { late = 0 } = result.status === "success" ? (result.result as { late?: number }) : {};
    if (late > 0) throw new Error(`${result.task} left ${late} rows overdue`);
  }
}

function storedIn(d1: SqliteD1): Omit<Stored, "day"> {
  const tables = d1.rows<{ name: string; bytes: number }>(
    `SELECT m.tbl_name AS name, SUM(s.pgsize) AS bytes
     FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name GROUP BY m.tbl_name`,
  );
  const [file] = d1.rows<{ pages: number }>("SELECT page_count AS pages FROM pragma_page_count()");
  const rows = tables.map(({ name }) => {
    const [counted] = d1.rows<{ n: number }>(`SELECT COUNT(*) AS n FROM ${name}`);
    return [name, counted?.n ?? 0];
  });
  return {
    rows: Object.fromEntries(rows) as Record<string, number>,
    bytes: Object.fromEntries(tables.map(({ name, bytes }) => [name, bytes])),
    fileBytes: (file?.pages ?? 0) * PAGE_BYTES,
  };
}
