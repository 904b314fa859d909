import { vi } from "vitest";
import type { JobMessage } from "../../shared/schedule/jobs/queue-messages.ts";
import { runDueJobs } from "../../shared/schedule/jobs/run-due.ts";
import { startDueJobs } from "../../shared/schedule/jobs/start-due.ts";
import {
  scheduleOf,
  type JobCall,
  type JobDefinition,
} from "../../shared/schedule/rules/job-definition.ts";
import { nextJobSlot } from "../../shared/schedule/rules/job-schedule.ts";
import { retimed } from "../../shared/schedule/rules/jobs.ts";
import { removeJob, findJob, insertJob, saveJob } from "../../shared/schedule/sql/jobs.ts";
import { SqliteD1, type Disturb } from "../support/sqlite.ts";
import { isIn, outages, type Interval } from "./outages.ts";

/** The life of jobs: the real code with luna-cron, luna-consumer, D1 and receivers that fail. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * A time in which a job had one schedule. `fromAt`: intervals are counted from then. `isDeleted`:
 * what was due then went with the job.
 */
export type Reign = {
  job: string;
  schedule: JobDefinition["schedule"];
  fromAt: number;
  from: number;
  until: number;
  isDeleted: boolean;
};

type StoredRun = {
  id: string;
  job: string;
  slot: number;
  status: string;
  reason: string | null;
  missedUntil: number | null;
  missedCount: number | null;
  createdAt: number;
};

export type JobLife = {
  end: number;
  triggers: number;
  reigns: Reign[];
  /** Each call that a receiver got, and whether it took it. */
  calls: { id: string; at: number; isTaken: boolean }[];
  runs: StoredRun[];
  out: Record<"cron" | "d1" | "consumer", Interval[]>;
  /** Jobs of which more runs were active at once than their overlap allows. */
  overlapping: string[];
};

const names = Array.from({ length: 12 }, (_, n) => `job-${n}`);
const schedules: JobDefinition["schedule"][] = [
  { cron: "10 */8 * * *" },
  { cron: "20 */6 * * *" },
  { cron: "40 2 * * *" },
  { cron: "0 9 * * 1" },
  { cron: "5 */3 * * *" },
  { every: "5h" },
  { every: "90m" },
];
const overlaps = ["skip", "allow", "queue"] as const;

type Event = { at: number; run: () => void };

/** Lets all that is not a timer go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function liveJobs(days: number, random: () => number): Promise<JobLife> {
  const start = Date.parse("2027-12-30T00:00:30Z");
  const end = start + days * DAY_MS;
  const all = { from: start + DAY_MS, until: end };
  const out = {
    cron: outages(random, all, 8),
    d1: outages(random, all, 10),
    consumer: outages(random, all, 10),
  };
  const life: JobLife = {
    end,
    triggers: 0,
    reigns: [],
    calls: [],
    runs: [],
    out,
    overlapping: [],
  };
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
  let now = start;
  const events: Event[] = [];
  const later = (ms: number, run: () => void): void =>
    void events.push({ at: now + Math.floor(ms), run });
  const isOut = (what: keyof JobLife["out"]): boolean => isIn(out[what], now);
  const pick = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(random() * items.length)] as Item;

  const d1 = new SqliteD1();
  const disturb: Disturb = (moment, isWrite) => {
    if (moment === "before" && isOut("d1")) throw new Error("D1_ERROR: Network connection lost.");
    if (moment === "after" && isWrite && random() < 0.01)
      throw new Error("D1_ERROR: the reply was lost");
  };
  const db = d1.binding(disturb);
  const calm = d1.binding(() => undefined);

  /** A receiver that is slow, fails, or answers after the lease of its caller. */
  const send = (call: JobCall): Promise<void> =>
    new Promise((resolve, reject) => {
      const isTaken = random() < 0.8;
      life.calls.push({ id: call.id, at: now, isTaken });
      const tookMs = random() < 0.01 ? 10 * MINUTE_MS : random() * 20_000;
      later(tookMs, () => (isTaken ? resolve() : reject(new Error("it broke"))));
    });

  const deliver = (runIds: readonly string[]): void => {
    if (isOut("consumer")) return;
    // Killed after so many calls of D1.
    let callsLeft = random() < 0.05 ? Math.floor(random() * 3) : Infinity;
    const mortal = d1.binding((moment, isWrite) => {
      if (moment === "before" && (callsLeft -= 1) < 0) throw new Error("the process is dead");
      disturb(moment, isWrite);
    });
    const ports = {
      db: mortal,
      bindings: { JOB_QUEUE_WORK: { send } },
      allowed: { queues: ["work"], services: [] },
      secretsKey: "",
      policy: { allowLoopback: false },
      fetch,
      now: () => now,
      random,
    };
    runDueJobs(ports, runIds, async (next) => {
      for (const { id, at } of next)
        if (at - now <= MINUTE_MS) later(Math.max(at - now, 0), () => deliver([id]));
    }).catch(() => undefined);
  };
  const sendBatch = async (messages: Iterable<{ body: JobMessage }>): Promise<void> => {
    for (const { body } of messages) {
      const copies = random() < 0.01 ? 0 : random() < 0.02 ? 2 : 1;
      for (let n = 0; n < copies; n += 1) later(random() * 5_000, () => deliver(body.runIds));
    }
    if (random() < 0.005) throw new Error("Queue sendBatch failed: Internal Server Error");
  };
  const env = { DB: db, JOB_QUEUE: { sendBatch } as unknown as Queue<JobMessage> };
  const tick = (): void => {
    if (isOut("cron")) return;
    life.triggers += 1;
    const signal = new AbortController().signal;
    const ports = { clock: { now: () => now }, random, signal };
    for (let n = random() < 0.03 ? 3 : 1; n > 0; n -= 1)
      startDueJobs(env, ports).catch(() => undefined);
  };

  const open = new Map<string, Reign>();
  const begin = (job: string, schedule: JobDefinition["schedule"], fromAt = now): void =>
    void open.set(job, { job, schedule, fromAt, from: now, until: Infinity, isDeleted: false });
  const close = (job: string, isDeleted = false): void => {
    const reign = open.get(job);
    open.delete(job);
    if (reign !== undefined) life.reigns.push({ ...reign, until: now, isDeleted });
  };
  let made = 0;
  const create = async (name: string): Promise<void> => {
    const job: JobDefinition = {
      schedule: pick(schedules),
      timeZone: "UTC",
      target: { queue: "work" },
      timeoutMs: 30_000,
      overlap: overlaps[names.indexOf(name) % 3] ?? "skip",
      retries: { max: Math.floor(random() * 4), backoff: pick(["10s", "5m", "1h"]) },
      missed: pick(["skip", "run-once"]),
      graceMs: 5 * MINUTE_MS,
    };
    const nextAt = nextJobSlot(scheduleOf(job, now), now);
    made += 1;
    const id = `job_${made}`;
    await insertJob(
      calm,
      { ...job, id, name, fromAt: now, nextAt, pausedAt: null, secret: "" },
      null,
      now,
    );
    begin(id, job.schedule);
  };
  /** An operator pauses, resumes, changes, deletes or creates a job. */
  const operate = async (): Promise<void> => {
    const name = pick(names);
    const job = await findJob(calm, name);
    if (job === null) return await create(name);
    const what = random();
    if (what < 0.2) {
      close(job.id, true);
      await removeJob(calm, name, now);
      return;
    }
    const schedule = what < 0.6 ? pick(schedules) : job.schedule;
    const isPaused = what < 0.6 ? job.pausedAt !== null : job.pausedAt === null;
    const next = { ...job, schedule };
    const isSame = JSON.stringify(schedule) === JSON.stringify(job.schedule);
    const timing = retimed(
      { ...job, schedule: scheduleOf(job, job.fromAt) },
      { next: isSame ? null : scheduleOf(next, now), isPaused },
      now,
    );
    if (isSame && isPaused === (job.pausedAt !== null)) return;
    await saveJob(calm, job, { ...next, ...timing }, now);
    close(job.id);
    if (!isPaused) begin(job.id, schedule, timing.fromAt);
  };

  const dueNext = `SELECT MIN(at) AS at FROM (
    SELECT MIN(next_at) AS at FROM jobs UNION ALL
    SELECT MIN(due_at) FROM deliveries WHERE status = 'pending' UNION ALL
    SELECT MIN(lease_expires_at) FROM deliveries WHERE status = 'delivering')`;
  const of = (status: string): string =>
    `(SELECT COUNT(*) FROM deliveries WHERE target = j.id AND status = '${status}')`;
  const active = `SELECT j.id FROM jobs j
    WHERE j.overlap <> 'allow' AND ${of("pending")} + ${of("delivering")} > 1`;

  for (const name of names) await create(name);
  let operatesAt = start + DAY_MS;
  for (let calmUntil = end + 3 * DAY_MS; now < calmUntil;) {
    const due = d1.rows<{ at: number | null }>(dueNext)[0]?.at ?? Infinity;
    // The trigger of the minute after it, a few seconds late. In an outage one of many is enough.
    const isCalm = (Object.keys(out) as (keyof typeof out)[]).every((what) => !isOut(what));
    const after = (stepMs: number): number => (Math.floor(now / stepMs) + 1) * stepMs;
    const at = isCalm
      ? Math.max(Math.ceil(due / MINUTE_MS) * MINUTE_MS, after(MINUTE_MS))
      : after(HOUR_MS / 2);
    const trigger = at + Math.floor(random() * 20_000);
    const event = events.reduce<Event | null>(
      (first, one) => (first === null || one.at < first.at ? one : first),
      null,
    );
    const operates = now < end ? operatesAt : Infinity;
    const next = Math.min(trigger, event?.at ?? Infinity, operates, calmUntil);
    now = Math.max(next, now);
    if (event?.at === next) {
      events.splice(events.indexOf(event), 1);
      event.run();
    } else if (next === operatesAt) {
      operatesAt += Math.ceil(-Math.log(1 - random()) * 2 * DAY_MS);
      await operate();
    } else if (next === trigger) tick();
    // A call of a run: claim, receiver, record. Each is a promise of its own.
    for (let n = 0; n < 4; n += 1) await settle();
    life.overlapping.push(...d1.rows<{ id: string }>(active).map(({ id }) => id));
  }
  for (const job of open.keys()) close(job);
  life.runs = d1.rows(`SELECT id, target AS job, slot, status, reason, missed_until AS missedUntil,
      missed_count AS missedCount, created_at AS createdAt FROM deliveries ORDER BY created_at`);
  vi.restoreAllMocks();
  return life;
}
