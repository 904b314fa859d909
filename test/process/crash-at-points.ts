import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import page from "../../docs/explain/crash-points.md?raw";
import { eventually } from "../support/eventually.ts";
import { SmtpSink, type Step } from "../support/sink.ts";
import { CrashingLuna, CrashPoints } from "./crashing-luna.ts";
import { openDatabase } from "./luna.ts";

/**
 * The points of docs/explain/crash-points.md, as they stand there. All of Luna is killed at each,
 * on one state: the run that recovers from a crash is the one that the next crash kills.
 */

/** What becomes of the emails by the page, by point. */
const documented = new Map(
  page
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| Point"))
    .map((line) => {
      const cells = line.slice(2, -2).split(" | ");
      return [cells[0] ?? "", cells.at(-1) ?? ""] as const;
    }),
);

/**
 * A sweep has something to do only after a crash, and dead letters to send only after one between
 * their record and their dead letter.
 */
const killedBefore = new Map([
  ["sweep: before the reclaim", "sending: after the batch"],
  ["sweep: after the reclaim", "hand-over: connected"],
  ["sweep: before the promotion", "claim: after the batch"],
  ["sweep: after the promotion", "claim: after the ack"],
  ["sweep: before the notifications", "hand-over: MAIL"],
  ["sweep: after the notifications", "hand-over: RCPT"],
  ["sweep: before the notifications are noted", "hand-over: DATA"],
  ["sweep: after the notifications are noted", "hand-over: after the dot"],
  ["sweep: before the dead letters", "retry: before the notification"],
  ["sweep: after the dead letters", "retry: after the notification"],
]);

/**
 * What must not have happened yet: a queue that has more than D1 holds would have the only
 * copy, or none.
 */
const notBefore = new Map([
  ["accept: before the batch", "accept: before the notification"],
  ["claim: before the batch", "claim: after the ack"],
  ["record: before the batch", "delivery: before the batch ends"],
  ["dead letter: before the record", "dead letter: after the ack"],
]);
/** A run that is killed at `first`, and the one after it at `again`. */
export type Crash = { first: string; again: string | null; where: string };

const isSweep = (point: string): boolean => point.startsWith("sweep:");
const points = [...documented.keys()];
export const crashes: readonly Crash[] = points
  .filter((point) => !isSweep(point))
  .map((first) => {
    const again = points.find((point) => killedBefore.get(point) === first) ?? null;
    return { first, again, where: again === null ? first : `${first}, then at ${again}` };
  });

/**
 * What runs beside the point at which a run is to be killed has to wait, lest what is found
 * afterwards depends on who was faster.
 */
function heldAt(point: string): RegExp {
  if (isSweep(point)) return /^(claim|dead letter):/;
  return point.startsWith("hand-over:") ? /^record/ : /^(?!)/;
}

const steps: Record<Step, string> = {
  connected: "hand-over: connected",
  mail: "hand-over: MAIL",
  rcpt: "hand-over: RCPT",
  data: "hand-over: DATA",
  dot: "hand-over: after the dot",
  answered: "hand-over: after the answer",
};

const stateDir = mkdtempSync(join(tmpdir(), "luna-crash-points-"));
const crashPoints = new CrashPoints();
const sink = new SmtpSink();
const luna = new CrashingLuna(stateDir);
/** Before the crash; afterwards the server takes what it had refused for now. */
let refusing = true;

beforeAll(async () => {
  sink.step = (step) => crashPoints.reach(steps[step]);
  sink.fault = (phase, to) => {
    if (phase !== "rcpt") return null;
    if (to.startsWith("never")) return { phase, do: "refuse", code: 550 };
    return refusing && to.startsWith("later") ? { phase, do: "refuse", code: 451 } : null;
  };
  await luna.prepare({
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(await sink.listen()),
    SMTP_SECURITY: "none",
    // A retry that comes by itself before the kill would run beside what is to be killed. The sweep
    // notifies for it.
    EMAIL_BASE_DELAY_SECONDS: "60",
    CRASH_POINTS_URL: await crashPoints.listen(),
  });
});

afterAll(async () => {
  await luna.destroy();
  await Promise.all([sink.close(), crashPoints.close()]);
  rmSync(stateDir, { recursive: true, force: true });
});

beforeEach(async () => {
  if (!luna.runs) await luna.start();
});

/** A run that did not end as it should is not one to go on with. */
afterEach(async ({ task }) => {
  crashPoints.disarm();
  if (task.result?.state === "fail") await luna.destroy();
});

type Email = { id: string; to: string; status: string; generation: number; updatedAt: string };
let round = 0;

/**
 * Emails that share one request and so one batch of notifications: a group of five and the next, or
 * one group.
 */
function newRound(first: string) {
  round += 1;
  const goodOnes = /^(record|retry|dead letter|delivery):/.test(first)
    ? ["good0", "good1"]
    : ["good0", "good1", "good2", "good3", "good4"];
  const recipients = ["never", "later", ...goodOnes].map(
    (name) => `${name}@round-${round}.example.com`,
  );
  const key = `round-${round}`;
  const emails = recipients.map((to) => ({ to, subject: to, text: "Hi" }));
  return {
    key,
    recipients,
    post: () => luna.call("POST", "/api/emails/batch", { emails }, { "Idempotency-Key": key }),
    /** As the API has them. */
    async emails(): Promise<Email[]> {
      const { body } = await luna.call("GET", "/api/emails?limit=100");
      return (body.items as Email[]).filter(({ to }) => recipients.includes(to));
    },
  };
}
type Round = ReturnType<typeof newRound>;

/**
 * What the killed run left on disk. Then two minutes pass: every lease, due time and notification
 * lies in the past.
 */
function whatIsLeft({ key }: Round): { accepted: Map<string, string>; inHandOver: Set<string> } {
  const database = openDatabase(stateDir);
  const all = (sql: string, ...values: string[]): Record<string, unknown>[] =>
    database.prepare(sql).all(...values);
  const keys = all("SELECT key, email_id FROM idempotency_keys WHERE key LIKE ?", `${key}#%`);
  const inHandOver = all("SELECT id FROM emails WHERE status = 'sending'");
  database.exec(
    `UPDATE emails SET due_at = due_at - 120000, ring_after = ring_after - 120000,
      lease_expires_at = lease_expires_at - 120000;
     UPDATE task_runs SET lease_expires_at = lease_expires_at - 120000`,
  );
  database.close();
  return {
    accepted: new Map(keys.map((row) => [String(row["key"]), String(row["email_id"])])),
    inHandOver: new Set(inHandOver.map((row) => String(row["id"]))),
  };
}

const sweep = () => luna.call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run");
const health = async () =>
  (await luna.call("GET", "/health")).body.checks.email as Record<string, number>;

/** Kills all of Luna at `point`, on the way of what `cause` begins. */
async function killAt(point: string, cause: () => Promise<unknown>): Promise<void> {
  const killed = crashPoints.arm(point, heldAt(point), () => luna.kill());
  // Its connection may break in the middle: that is the crash.
  void cause().catch(() => undefined);
  await killed;
  await luna.gone();
  expect(crashPoints.disarm()).not.toContain(notBefore.get(point));
}

async function survives(crash: Crash): Promise<void> {
  const before = await health();
  const mine = newRound(crash.first);
  let answered: string[] = [];
  refusing = true;
  await killAt(crash.first, async () => {
    const { status, body } = await mine.post();
    if (status === 202) answered = body.items.map(({ id }: { id: string }) => id);
  });
  const left = whatIsLeft(mine);
  expect(left.inHandOver.size > 0, "the page states whether emails are unknown").toBe(
    documented.get(crash.first)?.includes("unknown"),
  );
  expect(left.inHandOver.size).toBeLessThanOrEqual(5);
  expect([...left.accepted.values()], "what was answered is there").toEqual(
    expect.arrayContaining(answered),
  );

  refusing = false;
  await luna.start();
  if (crash.again !== null) {
    await killAt(crash.again, sweep);
    whatIsLeft(mine);
    await luna.start();
  }

  const repeated = await mine.post();
  expect(repeated.status).toBe(202);
  const ids: string[] = repeated.body.items.map(({ id }: { id: string }) => id);
  for (const [key, id] of left.accepted)
    expect(ids[Number(key.split("#")[1])], `${key} has one email`).toBe(id);
  await sweep();
  const fateOf = (id: string): string => {
    if (left.inHandOver.has(id)) return "unknown";
    return mine.recipients[ids.indexOf(id)]?.startsWith("never") ? "dead" : "sent";
  };
  const fates = (expected: (id: string) => string) =>
    Object.fromEntries(ids.map((id) => [id, expected(id)]));
  const settled = await eventually(async () => {
    const emails = await mine.emails();
    expect(Object.fromEntries(emails.map(({ id, status }) => [id, status]))).toEqual(fates(fateOf));
    return emails;
  });
  const dead = ids.filter((id) => fateOf(id) === "dead");
  await eventually(async () => {
    for (const id of dead)
      expect((await luna.call("GET", `/api/admin/email/dlq/${id}`)).body).toMatchObject({
        id,
        reason: "permanent",
      });
  });

  // A queue that outlived the crash delivers again what was not acknowledged.
  const last = { id: `end-of-${mine.key}`, generation: 1 };
  const again = ["delivery: before the batch ends", "dead letter: before the batch ends"].map(
    (point) => crashPoints.next(point, last.id),
  );
  await luna.redeliver([...settled, last]);
  await Promise.all(again);
  expect(await mine.emails()).toEqual(settled);

  const copies = (fate: string): number[] =>
    ids.filter((id) => fateOf(id) === fate).map((id) => sink.copiesOf(id));
  expect(copies("sent").filter((count) => count !== 1)).toEqual([]);
  expect(copies("dead").filter((count) => count !== 0)).toEqual([]);
  expect(copies("unknown").filter((count) => count > 1)).toEqual([]);
  const leastCopies = documented.get(crash.first)?.includes("a copy at least") ? 1 : 0;
  expect(copies("unknown").filter((count) => count === 1).length).toBeGreaterThanOrEqual(
    leastCopies,
  );
  const after = await health();
  expect({ ...after, oldestDueSeconds: 0 }).toMatchObject({
    status: "ok",
    queued: 0,
    inFlight: 0,
    unknown: (before["unknown"] ?? 0) + left.inHandOver.size,
    dead: (before["dead"] ?? 0) + dead.length,
  });
}

/**
 * The tests of some of the crashes: each file of them has a state of its own, beside the others.
 */
export function testCrashes(chosen: readonly Crash[]): void {
  it.each(chosen)(
    "killed at $where: nothing is lost, nothing goes twice, what is unknown is counted",
    survives,
  );

  it("has killed at each of these points, the page has no other, and no other occurred", () => {
    const killedAt = (some: readonly Crash[]): string[] =>
      some.flatMap(({ first, again }) => (again === null ? [first] : [first, again]));
    expect([...crashPoints.seen].filter((point) => !documented.has(point))).toEqual([]);
    expect(killedAt(chosen).filter((point) => !crashPoints.seen.has(point))).toEqual([]);
    expect(killedAt(crashes).toSorted()).toEqual(points.toSorted());
  });

  it("no email ended twice in all of these runs", async () => {
    await luna.destroy();
    const database = openDatabase(stateDir);
    const twice = database
      .prepare(
        `SELECT email_id, type, COUNT(*) AS times FROM email_events
          WHERE type IN ('sent', 'unknown', 'dead') GROUP BY email_id, type HAVING times > 1`,
      )
      .all();
    database.close();
    expect(twice).toEqual([]);
    const delivered = sink.delivered.map(({ id }) => id);
    expect(delivered.length).toBe(new Set(delivered).size);
  });
}
