import { beforeAll, describe, expect, it } from "vitest";
import { durationMs } from "../../shared/schedule/rules/job-definition.ts";
import { randomFrom } from "../support/random.ts";
import { runs as propertyRuns, seed } from "../support/seed.ts";
import { liveJobs, type JobLife, type Reign } from "./job-life.ts";
import { isIn, slotsBetween } from "./outages.ts";

/**
 * Simulates up to two thousand days of jobs: the real code on a virtual clock. There are outages of
 * luna-cron, luna-consumer and D1, messages that are lost or doubled, processes that die, replies
 * that are lost, receivers that fail or answer too late, and operators who change the jobs.
 */

/** In an outage the simulation triggers this rarely. */
const STEP_MS = 1_800_000;
const DAYS = Math.ceil(Math.min(propertyRuns / 6, 2_000));
let life: JobLife;

beforeAll(async () => {
  process.stderr.write(`jobs: ${DAYS} days, SEED=${seed}\n`);
  const began = performance.now();
  life = await liveJobs(DAYS, randomFrom(seed));
  process.stderr.write(
    `${life.triggers} triggers, ${life.runs.length} runs, ${life.calls.length} calls, ` +
      `${Math.round(performance.now() - began)} ms\n`,
  );
});

/** The slots of a time, without the code under test. */
function slotsOf({ schedule, fromAt, from, until }: Reign): number[] {
  if ("cron" in schedule) return slotsBetween(schedule.cron, from, until);
  if ("at" in schedule) return [];
  const everyMs = durationMs(schedule.every);
  const slots: number[] = [];
  for (let slot = fromAt + everyMs; slot <= until; slot += everyMs)
    if (slot > from) slots.push(slot);
  return slots;
}

const runsOf = (job: string) => life.runs.filter((run) => run.job === job);
const jobs = (): string[] => [...new Set(life.reigns.map(({ job }) => job))];

describe(`over ${DAYS} days`, () => {
  it("there were enough runs of each kind for the tests to mean something", () => {
    const count = (status: string): number =>
      life.runs.filter((run) => run.status === status).length;
    expect(count("delivered")).toBeGreaterThan(DAYS * 5);
    for (const status of ["dead", "missed"]) expect(count(status), status).toBeGreaterThan(0);
  });

  it("every slot of each schedule is recorded once, as run, skipped or missed, and no other", () => {
    const wrong: string[] = [];
    for (const job of jobs()) {
      const reigns = life.reigns
        .filter((one) => one.job === job)
        .map((one) => ({ ...one, slots: slotsOf(one) }));
      const all = reigns.flatMap(({ slots }) => slots);
      const recorded = new Map<number, number>();
      const note = (slot: number): void => void recorded.set(slot, (recorded.get(slot) ?? 0) + 1);
      for (const { slot, missedUntil } of runsOf(job)) {
        if (missedUntil === null) note(slot);
        else for (const one of all) if (one >= slot && one <= missedUntil) note(one);
      }
      for (const { slots, isDeleted } of reigns) {
        const last = slots.findLast((slot) => recorded.has(slot)) ?? 0;
        for (const slot of slots) {
          const times = recorded.get(slot) ?? 0;
          // The last of them may not have been triggered yet.
          const mayLack = slot > life.end || (isDeleted && slot > last);
          if (times !== 1 && !(times === 0 && mayLack))
            wrong.push(`${job} ${new Date(slot).toISOString()}: ${times} times`);
        }
      }
      const known = new Set(all);
      for (const slot of recorded.keys())
        if (!known.has(slot)) wrong.push(`${job}: ${slot} is no slot`);
    }
    expect(wrong).toEqual([]);
  });

  it("a slot is missed only around an outage", () => {
    const unreasoned = life.runs.filter(
      ({ missedUntil, slot, createdAt }) =>
        missedUntil !== null &&
        createdAt - slot > 10 * 60_000 &&
        !Object.values(life.out).some((out) =>
          out.some(({ from, until }) => from < createdAt && until > slot - STEP_MS),
        ),
    );
    expect(unreasoned).toEqual([]);
  });

  it("every call is that of a recorded run, and a run counts as done only if it was taken", () => {
    const known = new Set(life.runs.map(({ id }) => id));
    expect(life.calls.filter(({ id }) => !known.has(id))).toEqual([]);
    const taken = new Set(life.calls.filter(({ isTaken }) => isTaken).map(({ id }) => id));
    const unfounded = life.runs.filter(
      ({ id, status }) => status === "delivered" && !taken.has(id),
    );
    expect(unfounded).toEqual([]);
  });

  it("every run is called at least once before it ends, unless its job was deleted", () => {
    const called = new Set(life.calls.map(({ id }) => id));
    const uncalled = life.runs.filter(
      ({ id, status, reason }) =>
        ["delivered", "dead"].includes(status) && reason !== "cancelled" && !called.has(id),
    );
    expect(uncalled).toEqual([]);
  });

  it("no run of a job begins beside another, unless its overlap allows that", () => {
    expect(life.overlapping).toEqual([]);
  });

  it("once every outage is over, nothing is left waiting", () => {
    const isEnded = new Set(["delivered", "dead", "skipped", "missed"]);
    const late = life.runs.filter(
      ({ status, createdAt }) => !isEnded.has(status) && createdAt < life.end,
    );
    expect(late).toEqual([]);
    expect(Object.values(life.out).some((out) => isIn(out, life.end))).toBe(false);
  });
});
