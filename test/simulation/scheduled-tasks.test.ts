import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Task } from "../../shared/schedule/task.ts";
import type { CronEnv } from "../../workers/env.ts";
import { simulatedDays } from "../support/database-runs.ts";
import { randomFrom } from "../support/random.ts";
import { runs as propertyRuns, seed } from "../support/seed.ts";
import type { VirtualClock } from "../support/virtual-clock.ts";
import {
  simulate,
  SLOW_TIMEOUT_MS,
  TIMEOUT_MS,
  type Life,
  type RunRow,
  type World,
} from "./life.ts";
import { isIn, latestSlot, slotsBetween, type Interval } from "./outages.ts";

/**
 * Simulates up to two thousand days of luna-cron and its watchdog: the real code on a virtual
 * clock. There are outages of the trigger, of D1 and of both alert channels, processes that die,
 * lost replies, tasks that fail for days, hang or take hours, and deployments that change them.
 */

const world: World = vi.hoisted(() => ({
  clock: null as unknown as VirtualClock,
  tasks: [] as Task<CronEnv>[],
  channels: {},
  onEvaluated: () => undefined,
}));
vi.mock("cloudflare:workers", () => {
  class Base {
    ctx: unknown;
    env: unknown;
    constructor(ctx: unknown, env: unknown) {
      this.ctx = ctx;
      this.env = env;
    }
  }
  return { DurableObject: Base, WorkerEntrypoint: Base, waitUntil: () => undefined };
});
vi.mock("../../shared/lib/base/clock.ts", async (original) => ({
  ...(await original<object>()),
  systemClock: {
    now: () => world.clock.now(),
    after: (ms: number, done: () => void) => world.clock.after(ms, done),
  },
}));
vi.mock("../../shared/alerts/channels.ts", () => ({ alertChannels: () => world.channels }));
vi.mock("../../shared/alerts/watch.ts", async (original) => {
  const real = await original<typeof import("../../shared/alerts/watch.ts")>();
  const recordConditions: typeof real.recordConditions = async (db, conditions, options) => {
    // Only luna-cron passes `resolvedReason`; the watchdog evaluates other conditions.
    const isCron = options.resolvedReason !== undefined;
    const onEvaluated = isCron ? world.onEvaluated : () => undefined;
    return await real.recordConditions(db, conditions, options).then(
      (firing) => {
        onEvaluated(true);
        return firing;
      },
      (error: unknown) => {
        onEvaluated(false);
        throw error;
      },
    );
  };
  return { ...real, recordConditions };
});
vi.mock("../../workers/cron/task-list.ts", () => ({ tasks: world.tasks }));

const MINUTE_MS = 60_000;
/** A day has some twenty runs of tasks, and twice as many triggers. */
const DAYS = simulatedDays(propertyRuns);
let life: Life;

beforeAll(async () => {
  process.stderr.write(`scheduled tasks: ${DAYS} days, SEED=${seed}\n`);
  const began = performance.now();
  // No test reads a stack, and to make one for each failure is an eighth of the time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  life = await simulate(world, DAYS, randomFrom(seed));
  vi.restoreAllMocks();
  Error.stackTraceLimit = stackTraceLimit;
  process.stderr.write(
    `${life.triggers} triggers, ${life.runs.length} runs, ${life.notices.length} notices, ` +
      `${Math.round(performance.now() - began)} ms\n`,
  );
});

const isoOf = (at: number): string => new Date(at).toISOString();
const namesOf = (): string[] => [...new Set(life.deployments.map(({ task }) => task))];

/** The intervals in which each schedule of a task was certainly in force. */
function reigns(task: string): { cron: string | null; from: number; until: number }[] {
  const own = life.deployments.filter((one) => one.task === task);
  return own.map(({ cron, noticedAt }, n) => ({
    cron,
    from: noticedAt ?? life.end,
    until: own[n + 1]?.at ?? life.end,
  }));
}

describe(`over ${DAYS} days`, () => {
  it("there were enough runs, failures and alerts for the tests to mean something", () => {
    expect(life.runs.filter(({ status }) => status === "success").length).toBeGreaterThan(DAYS * 5);
    for (const status of ["missed", "failure"]) {
      expect(life.runs.filter((run) => run.status === status).length, status).toBeGreaterThan(
        DAYS / 20,
      );
    }
    // These are rare: a history of a hundred days may have none, and of some even one of 300 days.
    const firedOf = (prefix: string): number =>
      life.notices.filter(({ key, kind }) => key.startsWith(prefix) && kind === "fired").length;
    const rare = {
      skipped: life.runs.filter(({ status }) => status === "skipped").length,
      abandoned: life.runs.filter(({ error }) => error?.includes("abandoned")).length,
      failing: firedOf("task:"),
      overdue: firedOf("overdue:"),
    };
    const expected = Object.entries(rare).filter(
      ([what]) => DAYS >= (what === "skipped" || what === "abandoned" ? 1_000 : 300),
    );
    for (const [what, count] of expected) expect(count, what).toBeGreaterThan(0);
  });

  it("no slot runs twice", () => {
    const seen = new Map<string, number>();
    const twice: string[] = [];
    for (const { task, at } of life.invocations) {
      // A run starts in the millisecond in which its slot, the latest one, is claimed.
      const cron =
        life.deployments.findLast((one) => one.task === task && one.at <= at)?.cron ?? "";
      const slot = latestSlot(cron, at);
      const key = `${task} ${slot}`;
      if (seen.has(key)) twice.push(`${key} at ${seen.get(key)} and ${at}`);
      seen.set(key, at);
    }
    expect(twice).toEqual([]);
    const recorded = life.runs.filter(({ status }) => status === "success" || status === "failure");
    expect(
      recorded.length,
      "every run is recorded, also one that died before its task started",
    ).toBeGreaterThanOrEqual(life.invocations.length);
  });

  it("every slot is recorded once, as run, skipped or missed", () => {
    const wrong: string[] = [];
    for (const task of namesOf()) {
      const rows = life.runs.filter((run) => run.task === task);
      const covered = new Map<number, number>();
      const cover = (slot: number): void => void covered.set(slot, (covered.get(slot) ?? 0) + 1);
      const ranges = rows.filter(({ status }) => status === "missed");
      for (const { slot, status } of rows) if (status !== "missed") cover(slot);
      for (const { cron, from, until } of reigns(task)) {
        const slots = cron === null ? [] : slotsBetween(cron, from, until);
        const last = slots.at(-1) ?? 0;
        for (const slot of slots) {
          const times =
            (covered.get(slot) ?? 0) +
            ranges.filter((range) => range.slot <= slot && slot <= (range.missedUntil ?? 0)).length;
          // The last slot before a deployment or the end may be recorded after it.
          if (times !== 1 && !(times === 0 && slot === last))
            wrong.push(`${task} ${new Date(slot).toISOString()} ${times} times`);
        }
        for (const range of ranges.filter(
          ({ slot, missedUntil }) => slot > from && (missedUntil ?? 0) < until && cron !== null,
        )) {
          const count = slotsBetween(cron ?? "", range.slot - 1, range.missedUntil ?? 0).length;
          if (count !== range.missedCount)
            wrong.push(`${task} ${isoOf(range.slot)} counts ${range.missedCount}, not ${count}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("every execution has ended, and its counts are those of its runs", () => {
    expect(
      life.executions.filter(
        ({ total, successful, failed, endedAt }) =>
          endedAt === null || total !== successful + failed,
      ),
    ).toEqual([]);
    expect(life.runs.filter(({ status }) => status === "running")).toEqual([]);
  });
});

/** When a run had visibly ended: an abandoned run ends when its lease expires. */
function endOf({ task, startedAt, endedAt, error }: RunRow): number {
  const timeoutMs = task === "slow" || task === "overlapping" ? SLOW_TIMEOUT_MS : TIMEOUT_MS;
  return error?.includes("abandoned") === true
    ? startedAt + timeoutMs + MINUTE_MS
    : (endedAt ?? Infinity);
}

const ended = (task: string): RunRow[] =>
  life.runs.filter(
    (run) => run.task === task && (run.status === "success" || run.status === "failure"),
  );

describe("of failing tasks", () => {
  it("three failures in a row, or in half of the last runs, are notified once, and their end once", () => {
    const wrong: string[] = [];
    for (const task of namesOf()) {
      const runs = ended(task).map((run) => ({
        failed: run.status === "failure",
        startedAt: run.startedAt,
        end: endOf(run),
      }));
      const notices = life.notices.filter(
        ({ key, kind }) => key === `task:${task}` && kind !== "reminder",
      );
      const expected: string[] = [];
      let firing = false;
      let past = 0;
      for (const { at, ok, tasks } of life.evaluations) {
        // If the reply was lost, the evaluation counts if its notice is there.
        if (!ok && !notices.some((notice) => notice.at === at)) continue;
        // Runs take a few hours at most, so earlier runs have ended.
        while ((runs[past]?.startedAt ?? Infinity) <= at) past += 1;
        const newest = runs
          .slice(Math.max(past - 20, 0), past)
          .filter(({ end }) => end <= at)
          .slice(-12);
        const lastThree = newest.slice(-3).filter(({ failed }) => failed).length;
        const isHalf = newest.filter(({ failed }) => failed).length >= 6 && lastThree > 0;
        const holds = tasks.includes(task) && (lastThree === 3 || isHalf);
        if (holds !== firing)
          expected.push(`${holds ? "fired" : "recovered"} ${new Date(at).toISOString()}`);
        firing = holds;
      }
      const found = notices.map(({ kind, at }) => `${kind} ${new Date(at).toISOString()}`);
      if (JSON.stringify(found) !== JSON.stringify(expected)) {
        const at = expected.findIndex((one, n) => one !== found[n]);
        wrong.push(
          `${task}: expected ${expected[at]}, found ${found[at]}, ` +
            `${expected.length} and ${found.length} in all`,
        );
      }
    }
    expect(wrong).toEqual([]);
  });

  it("no streak of three failures is missed", () => {
    let streaks = 0;
    const missed: string[] = [];
    for (const task of namesOf()) {
      const runs = ended(task);
      for (let from = 0; from < runs.length; from += 1) {
        if (runs[from]?.status !== "failure" || runs[from - 1]?.status === "failure") continue;
        const length = runs.slice(from).findIndex(({ status }) => status === "success");
        const third = runs[from + 2];
        if (third === undefined || (length >= 0 && length < 3)) continue;
        // Runs may overlap: one of the three may end after the third has ended, and a later run may
        // succeed before the first success in this order.
        const begins = Math.max(...runs.slice(from, from + 3).map(endOf));
        const successes = runs.slice(from + 3).filter(({ status }) => status === "success");
        const ends = Math.min(life.end, ...successes.map(endOf));
        if (begins >= ends) continue;
        // The simulated trigger skips idle minutes, so nothing may have looked meanwhile.
        if (!life.evaluations.some(({ at, ok }) => ok && begins <= at && at < ends)) continue;
        streaks += 1;
        const fired = life.notices.findLast(
          ({ key, kind, at }) => key === `task:${task}` && kind === "fired" && at < ends,
        );
        const recovered = life.notices.find(
          ({ key, kind, at }) =>
            key === `task:${task}` && kind === "recovered" && at >= (fired?.at ?? 0),
        );
        const isNotified =
          fired !== undefined && (recovered === undefined || recovered.at >= begins);
        const retired = life.deployments.some(
          (one) =>
            one.task === task &&
            one.cron === null &&
            one.at >= (runs[from]?.startedAt ?? 0) &&
            one.at <= ends,
        );
        if (!isNotified && !retired)
          missed.push(
            `${task} ${new Date(begins).toISOString()} to ${new Date(ends).toISOString()}`,
          );
      }
    }
    expect(streaks).toBeGreaterThan(DAYS / 50);
    expect(missed).toEqual([]);
  });
});

describe("a notice", () => {
  it("is delivered on both channels, although each was out for days", () => {
    expect(
      life.notices.filter(({ emailAt, webhookAt }) => emailAt === null || webhookAt === null),
    ).toEqual([]);
    const deliveredOn = (channel: string) =>
      new Set(life.delivered.filter((one) => one.channel === channel).map(({ id }) => id));
    // A notice that the watchdog delivered without D1 has another id.
    const isDirect = ({ key, kind }: { key: string; kind: string }) =>
      key.startsWith("overdue:") && kind === "fired";
    const undelivered = (channel: string) =>
      life.notices.filter(
        (one) => !deliveredOn(channel).has(one.id) && !(channel === "webhook" && isDirect(one)),
      );
    for (const channel of ["email", "webhook"]) expect(undelivered(channel), channel).toEqual([]);
  });
});

describe("while luna-cron is dead", () => {
  it("the watchdog notifies within the grace and one minute in which a channel worked", () => {
    const { out, reports, delivered } = life;
    const isUp = {
      webhook: (at: number) => !isIn(out.webhook, at),
      email: (at: number) => !isIn(out.email, at) && !isIn(out.d1, at),
    };
    const overdue = reports.flatMap(({ at, tasks }, n) => {
      const until = reports[n + 1]?.at ?? at;
      return tasks.flatMap(({ task, dueBy }): (Interval & { task: string })[] =>
        dueBy < until ? [{ task, from: dueBy, until }] : [],
      );
    });
    const silent: string[] = [];
    for (const { task, from, until } of overdue) {
      const about = delivered.filter(
        ({ key, deliveredAt }) => key === `overdue:${task}` && deliveredAt <= until,
      );
      const notifiedAt = about.find(
        ({ kind, deliveredAt }) => kind === "fired" && deliveredAt >= from,
      )?.deliveredAt;
      const isStillFiring =
        about.findLast(({ deliveredAt }) => deliveredAt < from)?.kind === "fired";
      const deadline = firstMinuteWithin(from, until, Object.values(isUp));
      if (!isStillFiring && deadline !== null && (notifiedAt ?? Infinity) > deadline) {
        silent.push(`${task} from ${isoOf(from)} until ${isoOf(notifiedAt ?? until)}`);
      }
    }
    expect(overdue.length).toBeGreaterThan(DAYS / 20);
    expect(silent).toEqual([]);
  });
});

/** The end of the first full minute in which one of the channels works; null if there is none. */
function firstMinuteWithin(
  from: number,
  until: number,
  ways: ((at: number) => boolean)[],
): number | null {
  const STEP_MS = 1_000;
  const since = ways.map((): number | null => null);
  for (let at = from; at <= until; at += STEP_MS) {
    for (const [n, isOpen] of ways.entries()) {
      const began = isOpen(at) ? (since[n] ?? at) : null;
      since[n] = began;
      if (began !== null && at - began >= MINUTE_MS) return at;
    }
  }
  return null;
}
