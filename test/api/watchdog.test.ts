import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TaskWatchdog } from "../../shared/schedule/watchdog/object.ts";
import { nextCheck, overdueConditions } from "../../shared/schedule/watchdog/rules/overdue.ts";
import type { Watched } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { callWith, deadDatabase } from "./support.ts";

/** The real object, with a clock that the test sets. */

const MINUTE_MS = 60_000;
const start = Date.parse("2030-01-01T09:00:00Z");
let objects = 0;
let now = start;
let name = "";
let posted: { text: string; alert: { id: string; key: string } }[] = [];

beforeEach(async () => {
  now = start;
  name = `watchdog-${(objects += 1)}`;
  posted = [];
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_url, init) => {
    posted.push(JSON.parse(init?.body as string));
    return new Response("ok");
  });
  await env.DB.batch(
    ["alerts", "alert_notices"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
});
afterEach(() => void vi.restoreAllMocks());

const stub = () => env.TASK_WATCHDOG.getByName(name);

/** Calls the object with the test's clock and bindings. */
async function inside<Value>(
  act: (watchdog: TaskWatchdog) => Promise<Value>,
  changes: object = {},
): Promise<Value> {
  return await runInDurableObject(stub(), async (watchdog: TaskWatchdog) => {
    watchdog.clock = () => now;
    const own = watchdog as unknown as { env: object };
    own.env = {
      ...env,
      ALERT_WEBHOOK_URL: "https://hooks.example/x",
      ALERT_RECOVERY_MINUTES: "0",
      ...changes,
    };
    return await act(watchdog);
  });
}
const report = (tasks: Watched[]) => inside((watchdog) => watchdog.report(tasks));
const wakeUp = (changes: object = {}) => inside((watchdog) => watchdog.alarm(), changes);
const alarmAt = () => runInDurableObject(stub(), (_, state) => state.storage.getAlarm());

describe("the watchdog", () => {
  it("sets its alarm to the earliest deadline", async () => {
    await report([
      { task: "late", dueBy: start + 10 * MINUTE_MS },
      { task: "early", dueBy: start + MINUTE_MS },
    ]);
    expect(await alarmAt()).toBe(start + MINUTE_MS);
    expect(await stub().inspect()).toMatchObject({ watched: 2, overdue: [] });
  });

  it("notifies once that a task is overdue, and once that it runs again", async () => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    for (let minute = 1; minute < 5; minute += 1) {
      now = start + minute * MINUTE_MS;
      await wakeUp();
      expect(await alarmAt()).toBe(now + MINUTE_MS);
    }
    expect(posted.map(({ text }) => text)).toEqual([
      "Alert: the task backup is overdue: it should have run by 2030-01-01T09:01:00.000Z",
    ]);
    await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
    expect(await alarmAt()).toBe(now);
    await wakeUp();
    expect(posted.map(({ text }) => text).slice(1)).toEqual([
      "Recovered: the task backup runs again",
    ]);
    expect(await alarmAt()).toBe(start + 60 * MINUTE_MS);
  });

  it("notifies each task by itself, and the recovery of one that was removed", async () => {
    await report([
      { task: "one", dueBy: start },
      { task: "two", dueBy: start },
    ]);
    await wakeUp();
    expect(posted.map(({ alert }) => alert.key).toSorted()).toEqual(["overdue:one", "overdue:two"]);
    await report([{ task: "one", dueBy: start + 60 * MINUTE_MS }]);
    await wakeUp();
    expect(posted).toHaveLength(4);
    expect(await stub().inspect()).toMatchObject({ watched: 1, overdue: [] });
  });

  it("notifies the webhook once while D1 is down, and goes on checking", async () => {
    await report([{ task: "backup", dueBy: start }]);
    for (let minute = 0; minute < 3; minute += 1) {
      now = start + minute * MINUTE_MS;
      await wakeUp({ DB: deadDatabase });
      expect(await alarmAt()).toBe(now + MINUTE_MS);
    }
    expect(posted.map(({ alert }) => alert.id)).toEqual([`overdue:backup:${start}`]);
  });

  it("notifies the webhook although D1 never answers", async () => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const neverSettles = () => new Promise<never>(() => undefined);
    const statement = {
      bind: () => statement,
      first: neverSettles,
      all: neverSettles,
      run: neverSettles,
    };
    await inside(
      async (watchdog) => {
        const woken = watchdog.alarm();
        await vi.advanceTimersByTimeAsync(120_000);
        await woken;
      },
      { DB: { prepare: () => statement, batch: neverSettles } },
    );
    vi.useRealTimers();
    expect(posted).toHaveLength(1);
    expect(await alarmAt()).toBe(now + MINUTE_MS);
  });

  it.each([
    { ALERT_EMAIL: "nonsense" },
    { ALERT_FAILURES: "three" },
    { ALERT_WEBHOOK_URL: "HTTPS://hooks.example/x" },
  ])("notifies on the valid channels although a setting is invalid: %j", async (setting) => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    await wakeUp(setting);
    expect(posted).toHaveLength(1);
  });

  const texts = () => posted.map(({ text }) => text.split(":")[0]);

  it("does not repeat a notice that it sent while D1 was down", async () => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    await wakeUp({ DB: deadDatabase });
    now += MINUTE_MS;
    await wakeUp();
    expect(texts()).toEqual(["Alert"]);
    await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
    await wakeUp();
    await wakeUp();
    expect(texts()).toEqual(["Alert", "Recovered"]);
  });

  it("does not repeat what D1 delivered, however often D1 is down while the task is overdue", async () => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    for (const DB of [env.DB, env.DB, deadDatabase, env.DB, deadDatabase, deadDatabase]) {
      await wakeUp({ DB });
      expect(texts()).toEqual(["Alert"]);
      now += MINUTE_MS;
    }
    await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
    await wakeUp();
    expect(texts()).toEqual(["Alert", "Recovered"]);
    now = start + 60 * MINUTE_MS;
    await wakeUp({ DB: deadDatabase });
    expect(texts()).toEqual(["Alert", "Recovered", "Alert"]);
  });

  it("notifies a recovery although D1 never recorded that the task was overdue", async () => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    await wakeUp({ DB: deadDatabase });
    await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
    await wakeUp();
    await wakeUp();
    expect(texts()).toEqual(["Alert", "Recovered"]);
  });

  it("notifies the webhook directly of a notice that D1 has and did not deliver", async () => {
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    vi.mocked(globalThis.fetch).mockRejectedValueOnce(new Error("a blip"));
    await wakeUp();
    expect(posted).toEqual([]);
    now += MINUTE_MS;
    await wakeUp({ DB: deadDatabase });
    expect(texts()).toEqual(["Alert"]);
  });

  it("notifies the second time too although D1's reply was lost the first time", async () => {
    const by = { ALERT_WEBHOOK_URL: "" };
    await report([{ task: "backup", dueBy: start + MINUTE_MS }]);
    now = start + MINUTE_MS;
    await wakeUp({ ...by, DB: losingReplies(env.DB, 1) });
    await report([{ task: "backup", dueBy: start + 30 * MINUTE_MS }]);
    await wakeUp(by);
    now = start + 30 * MINUTE_MS;
    await wakeUp(by);
    const { results } = await env.DB.prepare(
      "SELECT kind FROM alert_notices ORDER BY at, id",
    ).all();
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(["fired", "fired", "recovered"]);
  });

  const damped = { ALERT_RECOVERY_MINUTES: "5" };

  it("notifies a task that is overdue again and again once, and that it flaps once", async () => {
    for (let minute = 0; minute < 60; minute += 1) {
      now = start + minute * MINUTE_MS;
      const dueBy = minute % 2 === 0 ? now : now + 60 * MINUTE_MS;
      await report([{ task: "backup", dueBy }]);
      await wakeUp(damped);
      expect(await alarmAt(), "it looks again until the alert is over").toBe(now + MINUTE_MS);
    }
    expect(texts()).toEqual(["Alert", "Flapping"]);
  });

  it.each([
    ["", env.DB],
    [", also without D1", deadDatabase],
  ])("notifies a recovery once the task was not overdue for five minutes%s", async (_, DB) => {
    const changes = { ...damped, DB };
    for (const minute of [0, 1]) {
      now = start + 3 * minute * MINUTE_MS;
      await report([{ task: "backup", dueBy: now }]);
      await wakeUp(changes);
      now += MINUTE_MS;
      await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
      await wakeUp(changes);
    }
    for (let minute = 1; minute <= 5; minute += 1) {
      expect(texts()).toEqual(["Alert"]);
      now += MINUTE_MS;
      await wakeUp(changes);
    }
    expect(texts()).toEqual(["Alert", "Recovered"]);
    await wakeUp(changes);
    expect(texts()).toEqual(["Alert", "Recovered"]);
  });

  it("sets its alarm again although every channel fails", async () => {
    vi.mocked(globalThis.fetch).mockRejectedValue(new Error("no network"));
    await report([{ task: "backup", dueBy: start }]);
    await wakeUp({ DB: deadDatabase, ALERT_WEBHOOK_URL: "not a URL" });
    expect(await alarmAt()).toBe(now + MINUTE_MS);
    await wakeUp({ DB: deadDatabase });
    expect(await alarmAt()).toBe(now + MINUTE_MS);
  });

  const full = (...keys: string[]) =>
    inside((watchdog) =>
      watchdog.notifyUnrecorded(
        keys.map((key) => ({
          key,
          summary: `about ${key}`,
          forMs: key.startsWith("breaker:") ? 5 * MINUTE_MS : 0,
        })),
      ),
    );
  const notices = () => posted.map(({ text, alert }) => `${text.split(":")[0]} ${alert.key}`);
  const fires = (key: string) =>
    env.DB.batch([
      env.DB.prepare(
        "INSERT INTO alerts (key, fired_at, summary, revision) VALUES (?, 1, '', 1)",
      ).bind(key),
      env.DB.prepare(
        "INSERT INTO alert_notices (id, key, kind, summary, at) VALUES (?1, ?1, 'fired', '', 1)",
      ).bind(key),
    ]);

  it("notifies once of what D1 has no room to record, and D1 takes over without a repeat", async () => {
    for (let minute = 0; minute < 3; minute += 1) {
      now = start + minute * MINUTE_MS;
      await full("storage:95", "email:dead");
    }
    expect(notices()).toEqual(["Alert email:dead", "Alert storage:95"]);
    await fires("storage:95");
    await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
    expect(notices().slice(2)).toEqual(["Recovered email:dead"]);
    expect(
      await env.DB.prepare("SELECT webhook_at FROM alert_notices").first("webhook_at"),
    ).not.toBeNull();
    await report([{ task: "backup", dueBy: start + 60 * MINUTE_MS }]);
    expect(notices()).toHaveLength(3);
  });

  it("notifies of a breaker that D1 cannot record once it was open for its time", async () => {
    for (const minute of [0, 3]) {
      now = start + minute * MINUTE_MS;
      await full("breaker:cache");
    }
    expect(notices()).toEqual([]);
    await full();
    now = start + 5 * MINUTE_MS;
    await full("breaker:cache");
    expect(notices(), "it was closed in between").toEqual([]);
    now = start + 10 * MINUTE_MS;
    await full("breaker:cache");
    expect(notices()).toEqual(["Alert breaker:cache"]);
  });

  it("notifies again of what the webhook did not take", async () => {
    vi.mocked(globalThis.fetch).mockRejectedValueOnce(new Error("a blip"));
    await full("storage:95");
    expect(notices()).toEqual([]);
    await full("storage:95");
    expect(notices()).toEqual(["Alert storage:95"]);
  });

  it("is woken by its real alarm", async () => {
    await runInDurableObject(stub(), (watchdog: TaskWatchdog) =>
      watchdog.report([{ task: "backup", dueBy: 0 }]),
    );
    expect(await runDurableObjectAlarm(stub())).toBe(true);
    expect(
      await env.DB.prepare("SELECT key FROM alerts WHERE fired_at IS NOT NULL").first("key"),
    ).toBe("overdue:backup");
  });

  it.each([
    ["a task without a name", [{ task: "", dueBy: 0 }]],
    ["an invalid time", [{ task: "backup", dueBy: Number.NaN }]],
    ["a text instead of a list", "backup"],
  ])("refuses %s, and goes on watching the same tasks", async (_, tasks) => {
    await report([{ task: "backup", dueBy: start }]);
    expect(await inside((watchdog) => watchdog.report(tasks as Watched[]))).toMatchObject({
      ok: false,
      error: { tag: "invalid" },
    });
    expect((await inside((watchdog) => watchdog.inspect())).watched).toBe(1);
  });
});

describe("GET /health", () => {
  const health = (tasks: Watched[]) => {
    const watchdog = {
      getByName: () => ({ inspect: async () => ({ watched: 1, overdue: tasks }) }),
    };
    return callWith({ TASK_WATCHDOG: watchdog as unknown as typeof env.TASK_WATCHDOG })(
      "GET",
      "/health",
    );
  };

  it("is degraded and names the overdue task", async () => {
    expect(await health([{ task: "backup", dueBy: start }])).toMatchObject({
      status: 200,
      body: {
        status: "degraded",
        checks: {
          tasks: {
            status: "degraded",
            overdue: [{ task: "backup", dueBy: "2030-01-01T09:00:00.000Z" }],
          },
        },
      },
    });
    expect((await health([])).body.checks.tasks).toEqual({ status: "ok", overdue: [] });
  });

  it("registers the tasks when none is watched, and is degraded if that fails", async () => {
    const register = vi.fn<() => Promise<void>>(async () => undefined);
    const watchdog = { getByName: () => ({ inspect: async () => ({ watched: 0, overdue: [] }) }) };
    const bindings = { TASK_WATCHDOG: watchdog as unknown as typeof env.TASK_WATCHDOG };
    expect(
      (
        await callWith({ ...bindings, CRON: { register } as unknown as typeof env.CRON })(
          "GET",
          "/health",
        )
      ).body.checks.tasks.status,
    ).toBe("ok");
    expect(register).toHaveBeenCalledOnce();
    const dead = {
      register: () => Promise.reject(new Error("luna-cron is gone")),
    } as unknown as typeof env.CRON;
    expect(
      (await callWith({ ...bindings, CRON: dead })("GET", "/health")).body.checks.tasks,
    ).toMatchObject({
      status: "degraded",
      unreachable: true,
    });
  });
});

it("no check is scheduled while no task is watched and no recovery is to be notified", () => {
  expect(nextCheck([], [], start)).toBeNull();
  expect(nextCheck([], [{ task: "gone", dueBy: 0 }], start)).toBe(start + MINUTE_MS);
  expect(overdueConditions([], [{ task: "gone", dueBy: 0 }], start)).toMatchObject([
    { key: "overdue:gone", holds: false },
  ]);
});
