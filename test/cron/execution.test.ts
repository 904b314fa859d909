import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { runDue, runNow } from "../../shared/schedule/execution.ts";
import {
  countRetries,
  deleteExecutions,
  lastRuns,
  readHistory,
} from "../../shared/schedule/sql/history.ts";
import type { Scheduler, Task } from "../../shared/schedule/task.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** Scheduled tasks on a real D1, with time that the test moves. */

const db = env.DB;
const MINUTE_MS = 60_000;
const start = Date.parse("2026-11-25T09:00:00Z");

let clock = new VirtualClock(start);
let ids = 0;
let ran: string[] = [];
const scheduler = (changes: Partial<Scheduler<null>> = {}): Scheduler<null> => ({
  db,
  context: null,
  clock,
  newId: () => `id-${(ids += 1)}`,
  random: () => 0.5,
  ...changes,
});

beforeEach(async () => {
  clock = new VirtualClock(start);
  ran = [];
  await db.batch(
    ["task_runs", "task_executions", "task_states"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

function task(name: string, changes: Partial<Task<null>> = {}): Task<null> {
  return {
    name,
    cron: "* * * * *",
    timeoutMs: 30_000,
    graceMs: MINUTE_MS,
    overlap: "skip",
    run: async () => {
      ran.push(name);
      return { done: 1 };
    },
    ...changes,
  };
}

const runs = async () =>
  (
    await db
      .prepare(
        `SELECT task, scheduled_at AS slot, status, missed_count AS missed
         FROM task_runs ORDER BY scheduled_at, task, status`,
      )
      .all()
  ).results;

describe("a trigger", () => {
  it("runs each due slot once, however many triggers come at the same moment", async () => {
    const tasks = [task("one"), task("two"), task("later", { cron: "0 12 * * *" })];
    const summaries = await Promise.all(
      Array.from({ length: 10 }, () => runDue(scheduler(), tasks)),
    );
    expect(ran.toSorted()).toEqual(["one", "two"]);
    expect(summaries.map(({ total }) => total).toSorted()).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    expect(await runs()).toEqual([
      { task: "one", slot: start, status: "success", missed: null },
      { task: "two", slot: start, status: "success", missed: null },
    ]);
    expect(await runDue(scheduler(), tasks)).toMatchObject({ total: 0, results: [] });
  });

  it("returns a summary, and a failed task does not stop the others", async () => {
    const failing = task("bad", { run: () => Promise.reject(new Error("it broke")) });
    const summary = await runDue(scheduler(), [failing, task("good")]);
    expect(summary).toMatchObject({ total: 2, successful: 1, failed: 1, startedAt: start });
    expect(summary.results).toMatchObject([
      {
        task: "bad",
        status: "failure",
        error: { message: "it broke", stack: expect.stringContaining("execution.test") },
      },
      { task: "good", status: "success", result: { done: 1 } },
    ]);
    const { executions, failedExecutions, recent } = await readHistory(db, null, 10);
    expect({ executions, failedExecutions }).toEqual({ executions: 1, failedExecutions: 1 });
    expect(recent).toMatchObject([
      {
        id: summary.executionId,
        total: 2,
        successful: 1,
        failed: 1,
        runs: [{ task: "bad", error: { message: "it broke" } }, { task: "good" }],
      },
    ]);
  });

  it("after an outage runs the latest slot and records the others as missed", async () => {
    await runDue(scheduler(), [task("one")]);
    await clock.advance(10 * MINUTE_MS);
    await runDue(scheduler(), [task("one")]);
    expect(ran).toEqual(["one", "one"]);
    expect(await runs()).toEqual([
      { task: "one", slot: start, status: "success", missed: null },
      { task: "one", slot: start + MINUTE_MS, status: "missed", missed: 9 },
      { task: "one", slot: start + 10 * MINUTE_MS, status: "success", missed: null },
    ]);
  });

  it("backfills nothing for a new task, except the slot of its own minute", async () => {
    await runDue(scheduler(), [
      task("daily", { cron: "0 9 * * *" }),
      task("gone by", { cron: "30 8 * * *" }),
    ]);
    expect(ran).toEqual(["daily"]);
  });
});

describe("after a deployment", () => {
  it("a removed task has missed its slots, and backfills none when it comes back", async () => {
    await runDue(scheduler(), [task("one"), task("two")]);
    await clock.advance(3 * MINUTE_MS);
    const [gone] = await Promise.all([1, 2, 3].map(() => runDue(scheduler(), [task("two")])));
    expect(gone?.results).toContainEqual({
      task: "one",
      status: "missed",
      missed: { from: start + MINUTE_MS, until: start + 3 * MINUTE_MS, count: 3 },
    });
    await clock.advance(60 * MINUTE_MS);
    await runDue(scheduler(), [task("one"), task("two")]);
    expect((await runs()).filter(({ task: name }) => name === "one")).toEqual([
      { task: "one", slot: start, status: "success", missed: null },
      { task: "one", slot: start + MINUTE_MS, status: "missed", missed: 3 },
      { task: "one", slot: start + 63 * MINUTE_MS, status: "success", missed: null },
    ]);
  });

  it("two releases that trigger by turns run each slot of a task once", async () => {
    const [older, newer] = [[task("one", { cron: "*/2 * * * *" })], [task("one")]];
    for (let minute = 0; minute < 6; minute += 1) {
      await Promise.all([
        runDue(scheduler(), minute % 2 === 0 ? older : newer),
        runDue(scheduler(), newer),
      ]);
      await clock.advance(MINUTE_MS);
    }
    expect(ran).toHaveLength(6);
    expect((await runs()).every(({ status }) => status === "success")).toBe(true);
  });

  it("a state stored without a schedule continues the registered one", async () => {
    await db
      .prepare("INSERT INTO task_states (task, last_slot, first_seen_at) VALUES ('one', ?1, 0)")
      .bind(start - 2 * MINUTE_MS)
      .run();
    await runDue(scheduler(), [task("one")]);
    expect(await runs()).toEqual([
      { task: "one", slot: start - MINUTE_MS, status: "missed", missed: 1 },
      { task: "one", slot: start, status: "success", missed: null },
    ]);
  });
});

describe("a slot that comes while an earlier run is running", () => {
  it("is recorded as skipped; where the task allows overlap, both run", async () => {
    let end: () => void = () => undefined;
    const slow = (name: string, overlap: "skip" | "allow") =>
      task(name, {
        overlap,
        timeoutMs: 10 * MINUTE_MS,
        run: () => new Promise((resolve) => (end = () => resolve({}))),
      });
    const tasks = [
      slow("skips", "skip"),
      task("allows", {
        overlap: "allow",
        timeoutMs: 10 * MINUTE_MS,
        run: async () => {
          ran.push("allows");
          await clock.sleep(5 * MINUTE_MS);
          return {};
        },
      }),
    ];
    const first = runDue(scheduler(), tasks);
    await vitestUntil(() => ran.length === 1);
    await clock.advance(MINUTE_MS);
    const second = runDue(scheduler(), tasks);
    await vitestUntil(() => ran.length === 2);
    end();
    await clock.advance(6 * MINUTE_MS);
    await Promise.all([first, second]);
    const { results } = await db
      .prepare("SELECT task, status FROM task_runs ORDER BY task, scheduled_at")
      .all();
    expect(results).toEqual([
      { task: "allows", status: "success" },
      { task: "allows", status: "success" },
      { task: "skips", status: "success" },
      { task: "skips", status: "skipped" },
    ]);
  });

  it("is run once the lease of a run that died has expired", async () => {
    const dying = task("dies", { run: () => new Promise(() => undefined) });
    void runDue(scheduler(), [dying]);
    await vitestUntil(async () => (await runs()).length === 1);
    await clock.advance(0);
    // The process has died, so nothing is recorded. The lease is the timeout plus a minute.
    await clock.advance(MINUTE_MS + 29_999);
    await db
      .prepare("UPDATE task_runs SET status = 'running', lease_expires_at = ?1, ended_at = NULL")
      .bind(start + 90_000)
      .run();
    await clock.advance(1);
    await runDue(scheduler(), [task("dies")]);
    expect((await runs()).map(({ status }) => status)).toEqual(["failure", "success"]);
    const [, abandoned] = (await readHistory(db, null, 10)).recent;
    expect(abandoned).toMatchObject({
      failed: 1,
      runs: [{ error: { message: "abandoned: it did not end within its lease" } }],
    });
  });
});

async function vitestUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("a run", () => {
  it("that times out has failed, and its late result is ignored", async () => {
    let answer: (result: Record<string, number>) => void = () => undefined;
    const late = task("late", { run: () => new Promise((resolve) => (answer = resolve)) });
    const execution = runDue(scheduler(), [late]);
    await vitestUntil(async () => (await runs()).length === 1);
    await clock.advance(30_000);
    expect(await execution).toMatchObject({
      failed: 1,
      results: [{ error: { message: "did not end within 30000 ms" } }],
    });
    answer({ done: 99 });
    await clock.advance(1);
    expect((await runs()).map(({ status }) => status)).toEqual(["failure"]);
  });

  it("runs and is recorded once although D1 loses every other reply", async () => {
    await runDue(scheduler({ db: losingReplies(db, 1) }), [task("one")]).catch(() => undefined);
    await runDue(scheduler(), [task("one")]);
    expect(ran).toEqual(["one"]);
    expect(await runs()).toEqual([{ task: "one", slot: start, status: "success", missed: null }]);
  });

  it("is recorded by a retry when one call to D1 never replies", async () => {
    let calls = 0;
    const hanging = {
      prepare: db.prepare.bind(db),
      batch: (statements: D1PreparedStatement[]) =>
        (calls += 1) === 3 ? new Promise(() => undefined) : db.batch(statements),
    } as unknown as D1Database;
    const execution = runDue(scheduler({ db: hanging }), [task("one")]);
    await vitestUntil(() => calls === 3);
    await clock.advance(10_100);
    await vitestUntil(() => calls === 4);
    expect(await execution).toMatchObject({ successful: 1 });
    expect(await runs()).toMatchObject([{ status: "success" }]);
  });

  it("that was failed as abandoned stays failed when it succeeds later", async () => {
    let finish: () => void = () => undefined;
    const execution = runDue(scheduler(), [
      task("one", { run: () => new Promise((resolve) => (finish = () => resolve({ done: 1 }))) }),
    ]);
    await vitestUntil(async () => (await runs()).length === 1);
    await db.prepare("UPDATE task_runs SET status = 'failure', error = '{}'").run();
    finish();
    await execution;
    expect(await runs()).toMatchObject([{ status: "failure" }]);
  });

  it("of an operator begins although D1's reply is lost", async () => {
    expect(
      await runNow(scheduler({ db: losingReplies(db, 1) }), task("one"), "operator"),
    ).toMatchObject({ status: "success" });
    expect(await runs()).toMatchObject([{ status: "success" }]);
  });

  it("whose result or error cannot be serialized has failed, and stops no other", async () => {
    const odd = new Error("x");
    Object.defineProperty(odd, "message", { value: { not: "text" } });
    const tasks = [
      task("big", { run: async () => ({ done: 1n }) as never }),
      task("odd", { run: () => Promise.reject(odd) }),
      task("good"),
    ];
    expect(await runDue(scheduler(), tasks)).toMatchObject({ successful: 1, failed: 2 });
  });

  it("is due again after a clock was ahead, and no slot that ran then is run twice", async () => {
    await runDue(scheduler(), [task("one")]);
    await db
      .prepare("UPDATE task_states SET last_slot = ?1")
      .bind(start + 86_400_000)
      .run();
    await db
      .prepare(
        `INSERT INTO task_runs
           (run_id, execution_id, task, trigger, scheduled_at, status, started_at)
         SELECT 'ahead', execution_id, 'one', 'cron', ?1, 'success', 0 FROM task_executions`,
      )
      .bind(start + 2 * MINUTE_MS)
      .run();
    for (let minute = 1; minute < 4; minute += 1) {
      await clock.advance(MINUTE_MS);
      await runDue(scheduler(), [task("one")]);
    }
    expect(ran).toHaveLength(3);
    expect((await runs()).map(({ slot }) => (Number(slot) - start) / MINUTE_MS)).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it("is not abandoned because the reply to its claim was lost", async () => {
    let batches = 0;
    const lossy = {
      prepare: db.prepare.bind(db),
      batch: async (statements: D1PreparedStatement[]) => {
        const replies = await db.batch(statements);
        if ((batches += 1) === 2) throw new Error("D1_ERROR: Network connection lost.");
        return replies;
      },
    } as unknown as D1Database;
    expect(await runDue(scheduler({ db: lossy }), [task("one")])).toMatchObject({ successful: 1 });
    expect(ran).toEqual(["one"]);
  });

  it("on an operator's request returns its outcome and leaves the schedule alone", async () => {
    const daily = task("daily", { cron: "0 12 * * *" });
    expect(await runNow(scheduler(), daily, "operator")).toMatchObject({
      task: "daily",
      status: "success",
      result: { done: 1 },
    });
    await clock.advance(3 * 60 * MINUTE_MS);
    await runDue(scheduler(), [daily]);
    expect(
      (await lastRuns(db, ["daily", "unknown"])).map(({ trigger, scheduledAt }) => [
        trigger,
        scheduledAt,
      ]),
    ).toEqual([["cron", start + 3 * 60 * MINUTE_MS]]);
    expect((await readHistory(db, null, 10)).recent.map(({ trigger }) => trigger)).toEqual([
      "cron",
      "operator",
    ]);
  });
});

const away = new Error("D1_ERROR: Network connection lost.");

describe("while D1 is away", () => {
  /** A D1 that is away until a time of the test's clock. */
  const awayUntil = (until: number): D1Database =>
    ({
      prepare: db.prepare.bind(db),
      batch: (statements: D1PreparedStatement[]) =>
        clock.now() < until ? Promise.reject(away) : db.batch(statements),
    }) as unknown as D1Database;

  /** Lets time pass until the work has ended. */
  async function whilePassing<Value>(work: Promise<Value>): Promise<Value> {
    let isOver = false;
    void work.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    await vitestUntil(async () => {
      if (!isOver) await clock.advance(500);
      return isOver;
    });
    return await work;
  }

  it("nothing runs, and the trigger fails before the next one comes", async () => {
    await expect(
      whilePassing(runDue(scheduler({ db: awayUntil(Infinity) }), [task("one")])),
    ).rejects.toThrow("Network connection lost");
    expect(ran).toEqual([]);
    expect(clock.now() - start).toBeLessThan(MINUTE_MS);
  });

  it("for seconds, no slot is lost: it is claimed once D1 is back", async () => {
    const summary = await whilePassing(
      runDue(scheduler({ db: awayUntil(start + 20_000) }), [task("one")]),
    );
    expect(summary).toMatchObject({ successful: 1, failed: 0 });
    expect(await runs()).toEqual([{ task: "one", slot: start, status: "success", missed: null }]);
  });

  it("for seconds at the end of a run, its success is recorded", async () => {
    let until = 0;
    const sometimes = {
      prepare: db.prepare.bind(db),
      batch: (statements: D1PreparedStatement[]) =>
        clock.now() < until ? Promise.reject(away) : db.batch(statements),
    } as unknown as D1Database;
    const last = task("one", {
      run: async () => {
        until = clock.now() + 30_000;
        return { done: 1 };
      },
    });
    await whilePassing(runDue(scheduler({ db: sometimes }), [last]));
    expect(await runs()).toMatchObject([{ status: "success" }]);
  });

  it("for seconds, a task is tried again within its slot, and the history has its attempts", async () => {
    const fails = task("one", {
      run: async () => {
        ran.push("one");
        if (clock.now() < start + 4_000) throw away;
        return { done: 1 };
      },
    });
    const summary = await whilePassing(runDue(scheduler(), [fails]));
    const failedAttempts = [0, 1_000, 3_000].map((at) => ({
      startedAt: start + at,
      duration: 0,
      error: { message: away.message },
    }));
    expect(summary).toMatchObject({
      successful: 1,
      failed: 0,
      results: [{ status: "success", duration: 7_000, failedAttempts }],
    });
    expect(ran).toHaveLength(4);
    const { recent, failedExecutions } = await readHistory(db, null, 10);
    expect(failedExecutions).toBe(0);
    expect(recent).toMatchObject([
      { total: 1, runs: [{ status: "success", attempt: 1, failedAttempts }] },
    ]);
  });

  it.each([
    ["its time limit", { timeoutMs: 10_000 }, 10_000],
    ["its next slot", { timeoutMs: 600_000 }, MINUTE_MS],
  ])(
    "longer than %s allows, a task has failed with the last error",
    async (_, changes, limitMs) => {
      const fails = task("one", { ...changes, run: () => Promise.reject(away) });
      const summary = await whilePassing(runDue(scheduler(), [fails]));
      expect(summary).toMatchObject({ failed: 1, results: [{ error: { message: away.message } }] });
      expect(clock.now() - start).toBeLessThan(limitMs);
      const [run] = (await readHistory(db, null, 10)).recent[0]?.runs ?? [];
      expect(run?.failedAttempts.length).toBeGreaterThan(1);
    },
  );

  it.each([
    ["for a reason that does not pass", "cron", new Error("no such table: x: SQLITE_ERROR")],
    ["on an operator's request, who gets the error", "operator", away],
  ] as const)("a task that fails %s is not tried again", async (_, trigger, error) => {
    const fails = task("one", {
      run: () => {
        ran.push("one");
        return Promise.reject(error);
      },
    });
    await (trigger === "cron" ? runDue(scheduler(), [fails]) : runNow(scheduler(), fails, trigger));
    expect(ran).toEqual(["one"]);
    const [run] = (await readHistory(db, null, 10)).recent[0]?.runs ?? [];
    expect(run).toMatchObject({ status: "failure", failedAttempts: [] });
  });

  it("until its next slot has come, a task is not tried again beside that one", async () => {
    await clock.advance(MINUTE_MS - 3_000);
    let batches = 0;
    const slow = {
      prepare: db.prepare.bind(db),
      batch: async (statements: D1PreparedStatement[]) => {
        const replies = await db.batch(statements);
        // The claim is the second: the next slot comes before its reply.
        if ((batches += 1) === 2) await clock.advance(6_000);
        return replies;
      },
    } as unknown as D1Database;
    const fails = task("one", {
      run: () => {
        ran.push("one");
        return Promise.reject(away);
      },
    });
    const summary = await whilePassing(runDue(scheduler({ db: slow }), [fails]));
    expect(summary).toMatchObject({ successful: 0, failed: 1 });
    expect(ran).toEqual(["one"]);
  });

  it("work that a failed attempt left behind does not end the next one", async () => {
    let attempts = 0;
    const leaves = task("one", {
      run: async ({ waitUntil }) => {
        attempts += 1;
        if (attempts === 1) waitUntil(Promise.reject(away));
        return { attempts };
      },
    });
    expect(await whilePassing(runDue(scheduler(), [leaves]))).toMatchObject({
      results: [{ status: "success", result: { attempts: 2 } }],
    });
  });
});

describe("of requests at the same moment", () => {
  const slow = (changes: Partial<Task<null>> = {}) => {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    return {
      end,
      task: task("slow", {
        run: async () => {
          ran.push("slow");
          await ended;
          return {};
        },
        ...changes,
      }),
    };
  };
  const failedRun = async (): Promise<string> => {
    const failing = task("slow", { run: () => Promise.reject(new Error("it broke")) });
    const failed = await runNow(scheduler(), failing, "operator");
    return "runId" in failed ? failed.runId : "";
  };

  it("one runs a task that allows no overlap, and the others get since when it runs", async () => {
    const { task: one, end } = slow();
    const all = Promise.all([1, 2, 3, 4, 5].map(() => runNow(scheduler(), one, "operator")));
    await vitestUntil(() => ran.length > 0);
    end();
    const results = await all;
    expect(ran).toEqual(["slow"]);
    expect(results.filter((result) => "runId" in result)).toHaveLength(1);
    expect(results.filter((result) => "why" in result)).toEqual(
      Array.from({ length: 4 }, () => ({ why: "already-running", since: start })),
    );
    expect((await readHistory(db, null, 10)).executions).toBe(1);
  });

  it("all run a task that allows overlap, and one runs beside a scheduled run", async () => {
    const { task: one, end } = slow({ overlap: "allow" });
    end();
    await Promise.all([1, 2, 3].map(() => runNow(scheduler(), one, "operator")));
    expect(ran).toHaveLength(3);
    const scheduled = slow();
    const due = runDue(scheduler(), [scheduled.task]);
    await vitestUntil(() => ran.length === 4);
    const beside = runNow(scheduler(), scheduled.task, "operator");
    await vitestUntil(() => ran.length === 5);
    scheduled.end();
    await Promise.all([due, beside]);
  });

  it.each(["skip", "allow"] as const)(
    "one retries a failed run, also if the task allows overlap: %s",
    async (overlap) => {
      const runId = await failedRun();
      const { task: one, end } = slow({ overlap });
      end();
      const retries = await countRetries(db, runId);
      const results = await Promise.all(
        [1, 2, 3].map(() =>
          runNow(scheduler(), one, "retry", { attempt: 2, of: { runId, retries } }),
        ),
      );
      expect(ran).toEqual(["slow"]);
      expect(results.filter((result) => "why" in result)).toHaveLength(2);
      const late = await countRetries(db, runId);
      expect(
        await runNow(scheduler(), one, "retry", { attempt: 2, of: { runId, retries: late } }),
        "it has succeeded meanwhile",
      ).toEqual({ why: "already-retried", since: start });
    },
  );

  it("a retry that failed can be repeated", async () => {
    const runId = await failedRun();
    const retry = async (one: Task<null>) =>
      await runNow(scheduler(), one, "retry", {
        attempt: 2,
        of: { runId, retries: await countRetries(db, runId) },
      });
    const failing = task("slow", { run: () => Promise.reject(new Error("it broke")) });
    expect(await retry(failing)).toMatchObject({ status: "failure" });
    expect(await retry(task("slow"))).toMatchObject({ status: "success" });
  });

  it("a retry that waits for another run of its task is not refused as retried", async () => {
    const runId = await failedRun();
    const retry = async (one: Task<null>) =>
      await runNow(scheduler(), one, "retry", {
        attempt: 2,
        of: { runId, retries: await countRetries(db, runId) },
      });
    expect(
      await retry(task("slow", { run: () => Promise.reject(new Error("it broke")) })),
    ).toMatchObject({ status: "failure" });
    const { task: other, end } = slow();
    const running = runNow(scheduler(), other, "operator");
    await vitestUntil(() => ran.length === 1);
    expect(await retry(task("slow"))).toEqual({ why: "already-running", since: start });
    end();
    await running;
  });

  it("one begins although D1 loses the reply, and a dead one blocks no other forever", async () => {
    expect(
      await runNow(scheduler({ db: losingReplies(db, 1) }), task("slow"), "operator"),
    ).toMatchObject({ status: "success" });
    const { task: dead } = slow();
    void runNow(scheduler(), dead, "operator");
    await vitestUntil(() => ran.length === 2);
    expect(await runNow(scheduler(), task("slow"), "operator")).toMatchObject({
      why: "already-running",
    });
    await db.prepare("UPDATE task_runs SET lease_expires_at = ?1").bind(start).run();
    expect(await runNow(scheduler(), task("slow"), "operator")).toMatchObject({
      status: "success",
    });
  });
});

it("the history is counted as runs end, are abandoned and are deleted", async () => {
  const counted = async () => {
    const { executions, failedExecutions } = await readHistory(db, null, 1);
    return [executions, failedExecutions];
  };
  const failing = task("bad", { run: () => Promise.reject(new Error("it broke")) });
  await runDue(scheduler(), [task("one")]);
  expect(await counted()).toEqual([1, 0]);
  await clock.advance(MINUTE_MS);
  await runDue(scheduler(), [task("one"), failing]);
  await runNow(scheduler(), failing, "operator");
  expect(await counted()).toEqual([3, 2]);
  await deleteExecutions(db, start + MINUTE_MS, 100);
  expect(await counted()).toEqual([2, 2]);
  const row = await db
    .prepare("SELECT COUNT(*) AS executions, SUM(failed > 0) AS failed FROM task_executions")
    .first<{ executions: number; failed: number }>();
  expect([row?.executions, row?.failed]).toEqual(await counted());
});

it("old executions are deleted with their runs, a page at a time", async () => {
  for (let n = 0; n < 5; n += 1) {
    await runDue(scheduler(), [task("one")]);
    await clock.advance(MINUTE_MS);
  }
  expect(await deleteExecutions(db, start + 3 * MINUTE_MS, 2)).toBe(2);
  expect(await deleteExecutions(db, start + 3 * MINUTE_MS, 2)).toBe(1);
  expect(await runs()).toHaveLength(2);
  const [newest, oldest] = (await readHistory(db, null, 10)).recent;
  expect(
    (await readHistory(db, { at: newest?.startedAt ?? 0, id: newest?.id ?? "" }, 10)).recent.map(
      ({ id }) => id,
    ),
  ).toEqual([oldest?.id]);
});
