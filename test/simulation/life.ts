import { vi } from "vitest";
import type { Notice } from "../../shared/alerts/sql/alerts.ts";
import type { Task } from "../../shared/schedule/task.ts";
import type { Watched } from "../../shared/schedule/watchdog/rules/rpc.ts";
import type { CronEnv } from "../../workers/env.ts";
import { objectStorage, SqliteD1, type Disturb } from "../support/sqlite.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { hasSlot, isIn, outages, type Interval } from "./outages.ts";

/** What the mocked modules use. */
export type World = {
  clock: VirtualClock;
  tasks: Task<CronEnv>[];
  channels: object;
  onEvaluated: (ok: boolean) => void;
};

export type RunRow = {
  task: string;
  trigger: string;
  slot: number;
  status: "running" | "success" | "failure" | "skipped" | "missed";
  startedAt: number;
  endedAt: number | null;
  error: string | null;
  missedUntil: number | null;
  missedCount: number | null;
};

/** Everything that happened. */
export type Life = {
  start: number;
  end: number;
  triggers: number;
  /** Each start of a task's own code. */
  invocations: { task: string; at: number }[];
  /** From `at` on a task has this schedule (null: it is removed). D1 has it from `noticedAt` on. */
  deployments: { task: string; cron: string | null; at: number; noticedAt: number | null }[];
  /** Each evaluation of the alerts, with the registered tasks. `ok`: whether D1's reply arrived. */
  evaluations: { at: number; ok: boolean; tasks: string[] }[];
  reports: { at: number; tasks: Watched[] }[];
  delivered: (Notice & { channel: "email" | "webhook"; deliveredAt: number })[];
  out: Record<"cron" | "d1" | "email" | "webhook", Interval[]>;
  runs: RunRow[];
  notices: (Notice & { emailAt: number | null; webhookAt: number | null })[];
  executions: { total: number; successful: number; failed: number; endedAt: number | null }[];
};

export const TIMEOUT_MS = 60_000;
export const SLOW_TIMEOUT_MS = 5 * 3_600_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const crons = [
  "10 */8 * * *",
  "20 */6 * * *",
  "40 2 * * *",
  "50 14 * * *",
  "0 9 * * 1",
  "20 */3 * * *",
  "5 */3 * * *",
  "5 12 1 * *",
];
const names = ["hourly", "quarterly", "nightly", "daily", "weekly", "slow", "overlapping"];

/** Simulates that many days. */
export async function simulate(world: World, days: number, random: () => number): Promise<Life> {
  const start = Date.parse("2027-12-30T00:00:30Z");
  const end = start + days * DAY_MS;
  const clock = new VirtualClock(start);
  const all: Interval = { from: start + DAY_MS, until: end };
  const out = {
    cron: outages(random, all, 8),
    d1: outages(random, all, 10),
    email: outages(random, all, 10),
    webhook: outages(random, all, 10),
  };
  const broken = new Map(
    names.map((name) => [
      name,
      outages(random, all, 8).map(({ from, until }) => ({ from, until: until + DAY_MS })),
    ]),
  );
  const life: Life = {
    start,
    end,
    triggers: 0,
    invocations: [],
    deployments: [],
    evaluations: [],
    reports: [],
    delivered: [],
    out,
    runs: [],
    notices: [],
    executions: [],
  };
  const isOut = (what: keyof Life["out"]): boolean => isIn(out[what], clock.now());
  vi.spyOn(Date, "now").mockImplementation(() => clock.now());
  vi.spyOn(Math, "random").mockImplementation(random);
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();

  const d1 = new SqliteD1();
  const failsWith = (chance: number): Disturb => {
    return (moment, isWrite) => {
      if (moment === "before" && isOut("d1")) throw new Error("D1_ERROR: Network connection lost.");
      if (moment === "after" && isWrite && random() < chance)
        throw new Error("D1_ERROR: the reply was lost");
    };
  };

  const notifier = (channel: "email" | "webhook") => async (notice: Notice) => {
    if (isOut(channel)) throw new Error(`${channel} is down`);
    life.delivered.push({ ...notice, channel, deliveredAt: clock.now() });
    if (random() < 0.02) throw new Error("delivered, and the reply was lost");
  };
  const onEvaluated = (ok: boolean): void => {
    life.evaluations.push({ at: clock.now(), ok, tasks: world.tasks.map(({ name }) => name) });
  };
  Object.assign(world, {
    clock,
    channels: { email: notifier("email"), webhook: notifier("webhook") },
    onEvaluated,
  });

  const watchdog = await startWatchdog(clock, d1.binding(failsWith(0)), random);
  const settings = {
    ALERT_EMAIL: "oncall@example.com",
    ALERT_WEBHOOK_URL: "https://hooks.example/x",
    ALERT_FAILURES: "3",
    // Each change is notified, so each one can be compared with what happened.
    ALERT_RECOVERY_MINUTES: "0",
  };
  const breakers = { getByName: () => ({ inspect: async () => ({ state: "CLOSED" }) }) };

  const task = (name: string, cron: string): Task<CronEnv> => ({
    name,
    cron,
    timeoutMs: name === "slow" || name === "overlapping" ? SLOW_TIMEOUT_MS : TIMEOUT_MS,
    graceMs: 15 * MINUTE_MS,
    overlap: name === "overlapping" ? "allow" : "skip",
    run: async ({ trigger, waitUntil }) => {
      if (trigger === "cron") life.invocations.push({ task: name, at: clock.now() });
      const hours = name === "slow" || name === "overlapping" ? 4 * random() ** 4 : 0;
      // No run is over in the moment in which it began.
      await clock.sleep(1_000 + Math.floor(random() * 9_000) + Math.floor(hours * HOUR_MS));
      const fails = random() < (isIn(broken.get(name) ?? [], clock.now()) ? 0.95 : 0.03);
      if (!fails) return { done: 1 };
      const how = random();
      if (how < 0.6) throw new Error("it broke");
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- tasks do
      if (how < 0.7) throw "it broke, as text";
      if (how < 0.85) waitUntil(Promise.reject(new Error("what it left behind broke")));
      else await new Promise(() => undefined);
      return { done: 1 };
    },
  });

  const deploy = (name: string, cron: string | null): void => {
    const at = world.tasks.findIndex((one) => one.name === name);
    if (at >= 0) world.tasks.splice(at, 1);
    if (cron !== null) world.tasks.push(task(name, cron));
    life.deployments.push({ task: name, cron, at: clock.now(), noticedAt: null });
  };
  const pick = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(random() * items.length)] as Item;

  const { default: cron } = await import("../../workers/cron/index.ts");
  const tick = async (): Promise<void> => {
    if (isOut("cron")) return;
    life.triggers += 1;
    // The process is killed after that many calls to D1.
    let callsLeft = random() < 0.01 ? Math.floor(random() * 12) : Infinity;
    const disturb = failsWith(0.003);
    const DB = d1.binding((moment, isWrite) => {
      if (moment === "before" && (callsLeft -= 1) < 0) throw new Error("the process is dead");
      disturb(moment, isWrite);
    });
    const report = async (tasks: Watched[]) => {
      if (callsLeft < 0) throw new Error("the process is dead");
      life.reports.push({ at: clock.now(), tasks });
      return await watchdog.report(tasks);
    };
    const env = {
      ...settings,
      DB,
      CIRCUIT_BREAKER: breakers,
      TELEMETRY: telemetry,
      TASK_WATCHDOG: { getByName: () => ({ report }) },
    };
    await cron.scheduled({} as ScheduledController, env as unknown as CronEnv);
  };

  /** Starts a trigger at that time. It runs for as long as its tasks do. */
  const trigger = async (at: number): Promise<void> => {
    await clock.advance(Math.max(at - clock.now(), 0));
    const times = random() < 0.03 ? 3 : 1;
    for (let n = 0; n < times; n += 1) tick().catch(() => undefined);
    await clock.advance(0);
    notice();
  };
  /** Notes which deployments D1 has. */
  const notice = (): void => {
    const open = life.deployments.filter(({ noticedAt }) => noticedAt === null);
    if (open.length === 0) return;
    const states = d1.rows<{ task: string; cron: string; retiredAt: number | null }>(
      "SELECT task, cron, retired_at AS retiredAt FROM task_states",
    );
    for (const one of open) {
      const isLatest = life.deployments.findLast(({ task: name }) => name === one.task) === one;
      const state = states.find(({ task: name }) => name === one.task);
      const isKnown =
        one.cron === null
          ? state === undefined || state.retiredAt !== null
          : state?.cron === one.cron && state.retiredAt === null;
      if (!isLatest || isKnown) one.noticedAt = clock.now();
    }
  };

  for (const [n, name] of names.entries()) deploy(name, crons[n % crons.length] ?? "");
  await trigger(start);
  const ends = Object.values(out).flatMap((intervals) => intervals.map(({ until }) => until));
  for (let day = start - (start % DAY_MS); day < end; day += DAY_MS) {
    if (random() < 0.05) {
      // Never in the millisecond of a trigger, whose registry would then be uncertain.
      await clock.advance(Math.max(day + Math.floor(random() * 3 * HOUR_MS) - clock.now(), 1));
      deploy(pick(names), random() < 0.3 ? null : pick(crons));
    }
    for (const at of triggersOf(day, world.tasks, ends, random))
      if (at > clock.now() && at < end) await trigger(at);
  }
  await clock.advance(Math.max(end - clock.now(), 0));
  // Every outage is over, and luna-cron has time to deliver the remaining notices.
  for (let minute = 0; minute < 60; minute += 1) await trigger(clock.now() + MINUTE_MS);
  const lastTriggerAt = clock.now();
  await clock.advance(SLOW_TIMEOUT_MS);

  life.runs = d1.rows(`SELECT task, trigger, scheduled_at AS slot, status, started_at AS startedAt,
      ended_at AS endedAt, error, missed_until AS missedUntil, missed_count AS missedCount
    FROM task_runs ORDER BY started_at`);
  // A later one whose delivery failed has no trigger that tries again.
  life.notices = d1.rows(
    `SELECT id, key, kind, summary, at, email_at AS emailAt, webhook_at AS webhookAt
     FROM alert_notices WHERE at <= ${lastTriggerAt} ORDER BY at, id`,
  );
  life.evaluations = life.evaluations.filter(({ at }) => at <= lastTriggerAt);
  life.executions = d1.rows(
    "SELECT total, successful, failed, ended_at AS endedAt FROM task_executions",
  );
  return life;
}

/**
 * The minutes of a day in which a task is due, each with the next minute, and the first minute
 * after each outage. (The platform triggers each minute; the others would do nothing.)
 */
function triggersOf(
  day: number,
  tasks: readonly Task<CronEnv>[],
  ends: readonly number[],
  random: () => number,
): number[] {
  const minutes = new Set<number>();
  for (let minute = day; minute < day + DAY_MS; minute += MINUTE_MS) {
    if (tasks.some(({ cron }) => hasSlot(cron, minute)))
      minutes.add(minute).add(minute + MINUTE_MS);
  }
  for (const end of ends.filter((at) => at >= day && at < day + DAY_MS))
    minutes.add(Math.ceil(end / MINUTE_MS) * MINUTE_MS);
  return [...minutes]
    .flatMap((minute) => {
      const chance = random();
      if (chance < 0.01) return [];
      const lateMs = chance < 0.02 ? random() * 5 * HOUR_MS : 0;
      return [minute + Math.floor(random() * 20_000 + lateMs)];
    })
    .toSorted((one, other) => one - other);
}

/** A namespace of a TELEMETRY that takes each report. */
const telemetry = { getByName: () => ({ report: async () => ({ ok: true }) }) };

/** The real object, which is evicted at random: its state is in its storage. */
async function startWatchdog(clock: VirtualClock, DB: D1Database, random: () => number) {
  const { TaskWatchdog } = await import("../../shared/schedule/watchdog/object.ts");
  let cancel: () => void = () => undefined;
  const storage = objectStorage((at) => {
    cancel();
    cancel = clock.after(Math.max(at - clock.now(), 0), () => void object().alarm());
  });
  const env = {
    DB,
    TELEMETRY: telemetry,
    ALERT_EMAIL: "oncall@example.com",
    ALERT_WEBHOOK_URL: "https://hooks.example/x",
    ALERT_RECOVERY_MINUTES: "0",
  };
  const start = () => new TaskWatchdog({ storage } as unknown as DurableObjectState, env as never);
  let current = start();
  const object = () => {
    if (random() < 0.2) current = start();
    return current;
  };
  return { report: (tasks: Watched[]) => object().report(tasks) };
}
