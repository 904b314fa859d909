import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { byEmail, byWebhook } from "../../shared/alerts/channels.ts";
import { alertConditions } from "../../shared/alerts/rules/conditions.ts";
import type { AlertCondition } from "../../shared/alerts/rules/evaluate.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import {
  acknowledge,
  readAlerts,
  recentNotices,
  type Notice,
} from "../../shared/alerts/sql/alerts.ts";
import { readFacts } from "../../shared/alerts/sql/facts.ts";
import { insertSilence } from "../../shared/alerts/sql/silences.ts";
import { deliverNotices, recordConditions, type Notifier } from "../../shared/alerts/watch.ts";
import { evaluateAlerts } from "../../workers/cron/watch.ts";
import type { CronEnv } from "../../workers/env.ts";
import { fakeQueue, queueEmail } from "../support/emails.ts";
import { eventually } from "../support/eventually.ts";
import * as previous from "../support/previous-alerts.ts";

/** Alerts and the delivery of their notices, also when a channel fails, on a real D1. */

const db = env.DB;
const MINUTE_MS = 60_000;
const start = Date.parse("2026-11-25T09:00:00Z");
let ids = 0;
const newId = () => `notice-${(ids += 1)}`;
/** Each change is notified, unless a test sets another time. */
const at = (now: number, recoveryMs = 0) => ({ now, recoveryMs, newId });

beforeEach(async () => {
  const tables = [
    "alerts",
    "alert_notices",
    "alert_silences",
    "task_runs",
    "task_executions",
    "emails",
    "email_events",
    "dead_letters",
    "idempotency_keys",
  ];
  await db.batch(tables.map((table) => db.prepare(`DELETE FROM ${table}`)));
});
afterEach(() => void vi.restoreAllMocks());

const condition = (holds: boolean): AlertCondition => ({
  key: "task:backup",
  holds,
  forMs: 0,
  summary: "the task backup failed 3 times in a row",
});

/** A channel that records what it delivered, and can be made to fail. */
function channel() {
  const delivered: string[] = [];
  const state = { broken: false };
  const notify: Notifier = async ({ kind, key }) => {
    if (state.broken) throw new Error("the channel is broken");
    delivered.push(`${kind} ${key}`);
  };
  return { delivered, state, notify };
}

describe("an alert", () => {
  it("is notified once when it fires and once when it recovers, on every channel", async () => {
    const [email, webhook] = [channel(), channel()];
    for (const [minute, holds] of [true, true, true, false, false, true].entries()) {
      await recordConditions(db, [condition(holds)], at(start + minute * MINUTE_MS));
      await deliverNotices(db, { email: email.notify, webhook: webhook.notify }, () => start);
    }
    expect(email.delivered).toEqual([
      "fired task:backup",
      "recovered task:backup",
      "fired task:backup",
    ]);
    expect(webhook.delivered).toEqual(email.delivered);
    const recovered = (await recentNotices(db, 50)).find(({ kind }) => kind === "recovered");
    expect(recovered?.summary, "the recovery names the alert").toBe(
      "the task backup failed 3 times in a row",
    );
  });

  it("is delivered by a channel that failed once it works again, in order", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const [email, webhook] = [channel(), channel()];
    email.state.broken = true;
    await recordConditions(db, [condition(true)], at(start));
    await deliverNotices(db, { email: email.notify, webhook: webhook.notify }, () => start);
    await recordConditions(db, [condition(false)], at(start + MINUTE_MS));
    await deliverNotices(db, { email: email.notify, webhook: webhook.notify }, () => start);
    expect([email.delivered, webhook.delivered]).toEqual([
      [],
      ["fired task:backup", "recovered task:backup"],
    ]);
    email.state.broken = false;
    await deliverNotices(db, { email: email.notify, webhook: webhook.notify }, () => start);
    expect(email.delivered).toEqual(webhook.delivered);
  });

  it("recovers with a reason when its subject no longer exists", async () => {
    await recordConditions(db, [condition(true)], at(start));
    const resolvedReason = (key: string) =>
      key === "task:backup" ? "the task backup is no longer registered" : null;
    await recordConditions(db, [], at(start));
    await recordConditions(db, [condition(true)], { ...at(start), resolvedReason });
    expect(await recentNotices(db, 50)).toHaveLength(1);
    await recordConditions(db, [], { ...at(start + 1), resolvedReason });
    await recordConditions(db, [], { ...at(start + 2), resolvedReason });
    expect((await recentNotices(db, 50)).map(({ kind, summary }) => [kind, summary])).toEqual([
      ["recovered", "the task backup is no longer registered"],
      ["fired", "the task backup failed 3 times in a row"],
    ]);
  });

  it("has the numbers of now, without a notice for each change", async () => {
    const counted = (count: number): AlertCondition => ({
      key: "email:dead",
      holds: count > 0,
      forMs: 0,
      summary: `${count} dead letters`,
    });
    const textAfter = async (count: number, minute: number): Promise<string | undefined> => {
      await recordConditions(db, [counted(count)], at(start + minute * MINUTE_MS, 5 * MINUTE_MS));
      return (await readAlerts(db))[0]?.summary;
    };
    expect(await textAfter(2, 0)).toBe("2 dead letters");
    expect(await textAfter(10, 1)).toBe("10 dead letters");
    expect(await textAfter(0, 2), "it is not over yet").toBe("10 dead letters");
    expect((await recentNotices(db, 50)).map(({ summary }) => summary)).toEqual(["2 dead letters"]);
    expect(await textAfter(0, 7)).toBe("10 dead letters");
    expect((await recentNotices(db, 50)).map(({ kind }) => kind)).toEqual(["recovered", "fired"]);
  });

  it("writes nothing while nothing changes, firing or quiet", async () => {
    const revisions = async () => (await readAlerts(db)).map(({ revision }) => revision);
    const still = { ...condition(false), key: "task:still" };
    for (let minute = 0; minute < 5; minute += 1)
      await recordConditions(db, [condition(true), still], at(start + minute * MINUTE_MS, 1));
    expect(await revisions()).toEqual([1]);
    for (let minute = 5; minute < 500; minute += 100)
      await recordConditions(db, [condition(false)], at(start + minute * MINUTE_MS, 1));
    expect(await revisions(), "its end, and that it is over").toEqual([3]);
  });

  it("that begins again and again is notified as flapping, on every channel", async () => {
    const { notify } = channel();
    const texts: string[] = [];
    for (let minute = 0; minute < 60; minute += 1) {
      const now = start + minute * MINUTE_MS;
      await recordConditions(db, [condition(minute % 2 === 0)], at(now, 5 * MINUTE_MS));
      const webhook: Notifier = async (notice) => {
        await notify(notice);
        texts.push(`${notice.kind}: ${notice.summary}`);
      };
      await deliverNotices(db, { email: notify, webhook }, () => now);
    }
    expect(texts).toEqual([
      "fired: the task backup failed 3 times in a row",
      "flapping: the task backup failed 3 times in a row. It begins and ends again and again: " +
        "the next notice comes in a day, or when it has been over for a while",
    ]);
    expect(await readAlerts(db)).toMatchObject([{ flappingSince: start + 4 * MINUTE_MS }]);
  });

  it("makes no storm although the previous release evaluates by turns with this one", async () => {
    for (let minute = 0; minute < 60; minute += 1) {
      const now = start + minute * MINUTE_MS;
      const found = { ...condition(minute % 10 < 8), forMs: 2 * MINUTE_MS };
      await (minute % 2 === 0
        ? recordConditions(db, [found], at(now, 5 * MINUTE_MS))
        : previous.recordCondition(db, found, { now, id: newId() }));
    }
    const kinds = (await recentNotices(db, 50)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "fired").length).toBeLessThanOrEqual(7);
    expect(kinds.filter((kind) => kind === "recovered").length).toBeLessThanOrEqual(6);
    for (let minute = 60; minute < 70; minute += 1)
      await recordConditions(db, [condition(false)], at(start + minute * MINUTE_MS, 5 * MINUTE_MS));
    expect((await readAlerts(db))[0]).toMatchObject({ firedAt: null, holdsSince: null });
  });

  it("makes one notice although many evaluate it at the same moment", async () => {
    await Promise.all(
      Array.from({ length: 10 }, () => recordConditions(db, [condition(true)], at(start))),
    );
    expect(await recentNotices(db, 50)).toHaveLength(1);
  });
});

describe("a channel", () => {
  it("that is slow delivers a notice once although three rounds run at once", async () => {
    const delivered: string[] = [];
    const slow: Notifier = async ({ id }) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      delivered.push(id);
    };
    await recordConditions(db, [condition(true)], at(start));
    await Promise.all([1, 2, 3].map(() => deliverNotices(db, { webhook: slow }, () => start)));
    expect(delivered).toHaveLength(1);
  });

  it("whose process died in a delivery delivers the notice a minute later", async () => {
    const { delivered, notify } = channel();
    await recordConditions(db, [condition(true)], at(start));
    await db
      .prepare("UPDATE alert_notices SET webhook_lease = ?1")
      .bind(start + MINUTE_MS)
      .run();
    await deliverNotices(db, { webhook: notify }, () => start + MINUTE_MS - 1);
    expect(delivered).toEqual([]);
    await deliverNotices(db, { webhook: notify }, () => start + MINUTE_MS);
    expect(delivered).toEqual(["fired task:backup"]);
  });

  it("that is new delivers what fires now, and nothing of weeks ago", async () => {
    for (let day = 0; day < 30; day += 1) {
      await recordConditions(
        db,
        [{ ...condition(day % 2 === 0), key: "task:old" }],
        at(start - (40 - day) * 86_400_000),
      );
    }
    for (let n = 0; n < 30; n += 1) {
      await recordConditions(
        db,
        [{ ...condition(n % 2 === 0), key: "task:flapping" }],
        at(start - (30 - n) * MINUTE_MS),
      );
    }
    await recordConditions(db, [condition(true)], at(start));
    const { delivered, notify } = channel();
    await deliverNotices(db, { webhook: notify }, () => start);
    expect(delivered).toContain("fired task:backup");
    expect(delivered.filter((one) => one.endsWith("task:old"))).toEqual([]);
  });
});

describe("by email", () => {
  const notice: Notice = {
    id: "n1",
    key: "task:backup",
    kind: "fired",
    summary: "the task backup failed 3 times in a row",
    at: start,
  };

  it("a notice is sent once through Luna's own queue, however often it is asked for", async () => {
    const notifications = fakeQueue();
    const notify = byEmail(
      { db, queue: notifications.queue },
      { EMAIL_FROM: "Luna <hello@luna.example>" },
      "oncall@example.com",
      Date.now,
    );
    await notify(notice);
    await notify(notice);
    const { results } = await db
      .prepare('SELECT tenant, to_address AS "to", subject FROM emails')
      .all();
    expect(results).toEqual([
      {
        tenant: "system",
        to: "oncall@example.com",
        subject: "[Luna] Alert: the task backup failed 3 times in a row",
      },
    ]);
    expect(notifications.sent).toHaveLength(1);
  });

  it("a notice to a suppressed address is not delivered, which is an alert itself", async () => {
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('oncall@example.com', 'all', 'bounce', 0)`,
      )
      .run();
    const notify = byEmail(
      { db, queue: fakeQueue().queue },
      { EMAIL_FROM: "Luna <hello@luna.example>" },
      "oncall@example.com",
      Date.now,
    );
    await expect(notify(notice)).rejects.toThrow("suppressed");
    const facts = await readFacts(db, {
      tasks: [],
      failures: 3,
      operator: "OnCall@example.com",
      now: start,
    });
    expect(
      alertConditions(facts, [], { failures: 3, wrong: [] }, start).filter(({ holds }) => holds),
    ).toMatchObject([{ key: "channel:email" }]);
    await db.prepare("DELETE FROM suppressions").run();
  });

  it("fails with the reason", async () => {
    await expect(
      byEmail({ db, queue: fakeQueue().queue }, {}, "oncall@example.com", Date.now)(notice),
    ).rejects.toThrow("EMAIL_FROM");
  });
});

describe("by webhook", () => {
  const notice: Notice = {
    id: "n1",
    key: "breaker:cache",
    kind: "recovered",
    summary: "the circuit breaker cache is CLOSED",
    at: start,
  };

  const hook = { url: "https://hooks.example/x", secrets: [] as string[] };

  it("a notice is JSON that Slack accepts, with an idempotency key", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("ok"));
    await byWebhook(env, hook, () => start)(notice);
    const [url, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(url).toBe("https://hooks.example/x");
    expect(new Headers(init.headers).get("Idempotency-Key")).toBe("n1");
    expect(new Headers(init.headers).has("webhook-signature"), "without a secret").toBe(false);
    expect(JSON.parse(init.body as string)).toEqual({
      text: "Recovered: the circuit breaker cache is CLOSED",
      alert: { ...notice, severity: "page", at: "2026-11-25T09:00:00.000Z" },
    });
  });

  it("a notice is signed by each secret, so that one can replace another", async () => {
    const secrets = ["an old secret of 32 characters..", "a new secret of 32 characters..."].map(
      (text) => `whsec_${btoa(text)}`,
    );
    const { webhookSecrets } = alertSettings({ ALERT_WEBHOOK_SECRET: secrets.join(" ") });
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("ok"));
    await byWebhook(env, { ...hook, secrets: webhookSecrets }, Date.now)(notice);
    const init = fetched.mock.calls[0]?.[1];
    const headers = Object.fromEntries(new Headers(init?.headers));
    expect(headers["webhook-id"]).toBe("n1");
    for (const secret of secrets)
      expect(new Webhook(secret).verify(init?.body as string, headers)).toMatchObject({
        text: "Recovered: the circuit breaker cache is CLOSED",
      });
    const forged = `${init?.body as string} `;
    expect(() => new Webhook(secrets[0] ?? "").verify(forged, headers)).toThrow("signature");
  });

  it("an invalid secret is named, and the notices go out unsigned", () => {
    const { webhookUrl, webhookSecrets, wrong } = alertSettings({
      ALERT_WEBHOOK_URL: hook.url,
      ALERT_WEBHOOK_SECRET: "hunter2",
    });
    expect({ url: webhookUrl, secrets: webhookSecrets }).toEqual(hook);
    expect(wrong.map(({ variable }) => variable)).toEqual(["ALERT_WEBHOOK_SECRET"]);
    expect(JSON.stringify(wrong)).not.toContain("hunter2");
  });

  it("a notice waits while the webhook's breaker is open, and follows no redirect", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("ok"));
    await byWebhook(env, hook, () => start)(notice);
    expect(fetched.mock.calls[0]?.[1]).toMatchObject({
      redirect: "manual",
      signal: expect.any(AbortSignal),
    });
    const breaker = env.CIRCUIT_BREAKER.getByName("alerts:webhook");
    await breaker.forceOpen({ actor: "test", reason: "test" });
    const elsewhere = {
      ...env,
      CIRCUIT_BREAKER: {
        getByName: (name: string) => env.CIRCUIT_BREAKER.getByName(name),
      } as unknown as typeof env.CIRCUIT_BREAKER,
    };
    const notify = byWebhook(elsewhere, hook, () => start);
    await eventually(() =>
      expect(notify(notice)).rejects.toThrow("circuit breaker of the webhook is open"),
    );
    await breaker.reset({ actor: "test", reason: "test" });
  });

  it("a notice fails with the status of an error response", async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("no", { status: 500 }));
    await expect(byWebhook(env, hook, () => start)(notice)).rejects.toThrow("500");
  });
});

describe("the alert conditions that hold", () => {
  const holding = async (breakers: { name: string; state: string }[] = [], now = start) => {
    const facts = await readFacts(db, {
      tasks: ["backup", "report"],
      failures: 3,
      operator: "oncall@example.com",
      now,
    });
    return alertConditions(facts, breakers, { failures: 3, wrong: [] }, now).flatMap(
      ({ key, holds }) => (holds ? [key] : []),
    );
  };
  const execution = async (id: string, endedAt: number, failed: string[]): Promise<void> => {
    await db.batch([
      db
        .prepare(
          `INSERT INTO task_executions (execution_id, trigger, started_at, ended_at, total, failed)
           VALUES (?1, 'cron', ?2, ?2, 5, ?3)`,
        )
        .bind(id, endedAt, failed.length),
      ...failed.map((task) =>
        db
          .prepare(
            `INSERT INTO task_runs
             (run_id, execution_id, task, trigger, scheduled_at, status, started_at)
           VALUES (?1, ?2, ?3, 'cron', ?4, 'failure', ?4)`,
          )
          .bind(`${id}-${task}`, id, task, endedAt),
      ),
    ]);
  };

  it("are none without issues", async () => {
    expect(await holding()).toEqual([]);
    await execution("e1", start, ["a", "b"]);
    expect(await holding([{ name: "cache", state: "CLOSED" }])).toEqual([]);
  });

  it("are three failures of one execution, and breakers that are not closed", async () => {
    await execution("e1", start, ["a", "b", "c"]);
    expect(await holding([{ name: "cache", state: "HALF_OPEN" }])).toEqual([
      "execution",
      "breaker:cache",
    ]);
  });

  it("are three failures of one execution, also if a better one ended just after it", async () => {
    await execution("bad", start, ["a", "b", "c"]);
    expect(await holding([], start + 9 * 3_600_000)).toEqual(["execution"]);
    await execution("good", start + 1_000, []);
    expect(await holding([], start + MINUTE_MS)).toEqual(["execution"]);
    await execution("better", start + 3 * MINUTE_MS, []);
    expect(await holding([], start + 3 * MINUTE_MS)).toEqual([]);
  });

  it("are failures of abandoned runs, before they are recorded", async () => {
    await execution("e1", start, ["backup"]);
    await execution("e2", start + 1, ["backup"]);
    await db
      .prepare(
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status,
           started_at, lease_expires_at)
         VALUES ('r', 'e2', 'backup', 'cron', ?1, 'running', ?1, ?1)`,
      )
      .bind(start + MINUTE_MS)
      .run();
    expect(await holding([], start + MINUTE_MS - 1)).toEqual([]);
    expect(await holding([], start + MINUTE_MS)).toEqual(["task:backup"]);
  });

  it("are three failures of one task in a row, until it succeeds", async () => {
    const run = (n: number, task: string, status: string) =>
      db
        .prepare(
          `INSERT INTO task_runs
             (run_id, execution_id, task, trigger, scheduled_at, status, started_at)
           VALUES (?1, 'e', ?2, 'cron', ?3, ?4, ?3)`,
        )
        .bind(`${task}-${n}`, task, n, status);
    await db
      .prepare(
        `INSERT INTO task_executions (execution_id, trigger, started_at, total)
         VALUES ('e', 'cron', 0, 0)`,
      )
      .run();
    await db.batch([
      run(1, "backup", "success"),
      run(2, "backup", "failure"),
      run(3, "backup", "failure"),
      run(4, "report", "failure"),
    ]);
    expect(await holding()).toEqual([]);
    await db.batch([
      run(5, "backup", "failure"),
      run(6, "backup", "skipped"),
      run(7, "report", "failure"),
    ]);
    expect(await holding()).toEqual(["task:backup"]);
    await run(8, "backup", "success").run();
    expect(await holding()).toEqual([]);
  });

  it("are tasks whose newest success left overdue items, with their number, until none is left", async () => {
    const conditions = async (): Promise<[boolean, string][]> => {
      const query = { tasks: ["backup", "report"], failures: 3, operator: null, now: start };
      const facts = await readFacts(db, query);
      return alertConditions(facts, [], { failures: 3, wrong: [] }, start).flatMap(
        ({ key, holds, summary }) => (key === "late:backup" ? [[holds, summary]] : []),
      );
    };
    const run = (n: number, status: string, result: object | null) =>
      db
        .prepare(
          `INSERT INTO task_runs
             (run_id, execution_id, task, trigger, scheduled_at, status, started_at, result)
           VALUES (?1, 'e', 'backup', 'cron', ?1, ?2, ?1, ?3)`,
        )
        .bind(n, status, result === null ? null : JSON.stringify(result))
        .run();
    await execution("e", start, []);
    expect(await conditions()).toEqual([]);
    await run(1, "success", { deleted: 20_000, left: 1_800, late: 1_500 });
    await run(2, "failure", null);
    const behind = "the task backup is behind: 1500 items are overdue";
    expect(await conditions()).toEqual([[true, behind]]);
    await run(3, "success", { deleted: 1_800, left: 0, late: 0 });
    expect((await conditions()).map(([holds]) => holds)).toEqual([false]);
  });

  it("are invalid settings, by name", () => {
    const { wrong } = alertSettings({
      ALERT_EMAIL: "nonsense",
      ALERT_WEBHOOK_URL: "http://hooks.example",
    });
    const facts = {
      streaks: [],
      failed: [],
      emails: {
        oldestDueAt: null,
        waitingSince: null,
        nearLimits: 0,
        pausedSince: null,
        unknown: 0,
        dead: 0,
        newestDeadAt: null,
        expiring: 0,
        operatorIsSuppressed: 0,
      },
    };
    const found = alertConditions(facts, [], { failures: 3, wrong }, start).filter(
      ({ holds }) => holds,
    );
    expect(found).toMatchObject([
      {
        key: "settings",
        summary:
          "ALERT_EMAIL must be one plain email address; " +
          "ALERT_WEBHOOK_URL must be https, except on loopback",
      },
    ]);
  });

  it("are breakers that have been open for five minutes", async () => {
    const open = [{ name: "cache", state: "OPEN" }];
    const facts = await readFacts(db, { tasks: [], failures: 3, operator: null, now: start });
    const noticesAt = async (minutes: number, breakers: { name: string; state: string }[]) => {
      await recordConditions(
        db,
        alertConditions(facts, breakers, { failures: 3, wrong: [] }, start),
        at(start + minutes * MINUTE_MS),
      );
      return (await recentNotices(db, 50)).length;
    };
    expect(await noticesAt(0, open)).toBe(0);
    expect(await noticesAt(4, open)).toBe(0);
    expect(await noticesAt(5, open)).toBe(1);
    expect(await noticesAt(6, [])).toBe(1);
  });

  it("are the breakers of other Workers that are used, by name, until nothing uses them", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: start });
    const prices = { name: "prices", state: "OPEN", reportedAt: start };
    const maps = { name: "maps", state: "OPEN", reportedAt: start - 3 * 86_400_000 };
    let registry: object | null = {
      registered: [prices, maps],
      refused: { full: 2, name: 1 },
    };
    const telemetry = {
      breakers: async () => registry ?? (await Promise.reject(new Error("overloaded"))),
    };
    const binding = { getByName: () => telemetry } as unknown as CronEnv["TELEMETRY"];
    const summariesAt = async (minutes: number) => {
      vi.setSystemTime(start + minutes * MINUTE_MS);
      await evaluateAlerts({ ...env, TELEMETRY: binding, ALERT_RECOVERY_MINUTES: "0" });
      return (await recentNotices(db, 50)).map(({ kind, summary }) => `${kind} ${summary}`);
    };
    const refused = "fired 3 circuit breakers of other Workers are not listed";
    const fired = "fired the circuit breaker prices is OPEN";
    expect(await summariesAt(0)).toEqual([refused]);
    expect(new Set(await summariesAt(5))).toEqual(new Set([fired, refused]));
    vi.spyOn(console, "error").mockReturnValue();
    registry = null;
    expect(await summariesAt(6), "what is not known is not over").toHaveLength(2);
    registry = { registered: [], refused: { full: 0, name: 0 } };
    expect(await summariesAt(7)).toEqual(
      expect.arrayContaining(["recovered nothing uses the circuit breaker prices any more"]),
    );
    vi.useRealTimers();
  });

  it("are new dead letters, within an hour, also beside old ones", async () => {
    const deadLetter = (n: number, buriedAt: number) =>
      db
        .prepare(
          `INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
           VALUES (?1, 'poison', '', 1, ?2, ?3)`,
        )
        .bind(`poison:${n}`, buriedAt, start + 9 * 86_400_000)
        .run();
    const noticesAt = async (minutes: number) => {
      const now = start + minutes * MINUTE_MS;
      const facts = await readFacts(db, { tasks: [], failures: 3, operator: null, now });
      const conditions = alertConditions(facts, [], { failures: 3, wrong: [] }, now);
      await recordConditions(db, conditions, at(now));
      return (await recentNotices(db, 50)).map(({ summary }) => summary);
    };
    await deadLetter(1, start);
    expect(await noticesAt(1)).toHaveLength(1);
    expect(await noticesAt(90)).toHaveLength(1);
    await deadLetter(2, start + 91 * MINUTE_MS);
    const summaries = await noticesAt(92);
    expect(summaries).toHaveLength(2);
    expect(summaries).toContain("2 dead letters to replay or discard");
    await deadLetter(3, start + 93 * MINUTE_MS);
    expect(await noticesAt(94)).toHaveLength(2);
    expect(await noticesAt(152)).toHaveLength(3);
  });

  it("are overdue emails, unknown emails, and dead letters, also before they expire", async () => {
    const due = await queueEmail(db, start - 6 * MINUTE_MS);
    expect(await holding()).toEqual(["email:due"]);
    await db
      .prepare(
        "UPDATE emails SET due_at = ?2, wait_class = 'rate', waiting_since = ?3 WHERE id = ?1",
      )
      .bind(due, start + MINUTE_MS, start - 30 * MINUTE_MS - 1)
      .run();
    expect(await holding()).toEqual(["email:waiting"]);
    await db.prepare("UPDATE emails SET waiting_since = waiting_since + 1").run();
    expect(await holding()).toEqual([]);
    const today = Math.floor(start / 86_400_000);
    const sent = (emails: number) =>
      db
        .prepare("INSERT OR REPLACE INTO email_days VALUES (?1, 'user:a', ?2, 10)")
        .bind(today, emails);
    await sent(7).run();
    expect(await holding()).toEqual([]);
    await sent(8).run();
    expect(await holding()).toEqual(["email:daily-limit"]);
    await db.prepare("UPDATE email_days SET day = day - 1").run();
    await db.prepare("UPDATE emails SET status = 'unknown' WHERE id = ?").bind(due).run();
    expect(await holding()).toEqual(["email:unknown"]);
    await db.prepare("DELETE FROM emails").run();
    const deadLetter = (id: string, expiresAt: number) =>
      db
        .prepare(
          `INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
           VALUES (?1, 'poison', '', 1, 0, ?2)`,
        )
        .bind(id, expiresAt);
    await deadLetter("poison:1", start + 3 * 86_400_000).run();
    expect(await holding()).toEqual(["email:dead"]);
    await deadLetter("poison:2", start + 3_600_000).run();
    expect(await holding()).toEqual(["email:dead", "email:expiring"]);
  });
});

describe("a silence", () => {
  const HOUR_MS = 60 * MINUTE_MS;
  const silence = (match: string, endsAt: number, startsAt = start) =>
    insertSilence(db, { id: newId(), match, reason: "x", createdBy: "ada", startsAt, endsAt });
  /** Evaluates and delivers once. */
  const minute = async (holds: boolean, now: number, on: ReturnType<typeof channel>) => {
    await recordConditions(db, [condition(holds)], at(now));
    await deliverNotices(db, { webhook: on.notify }, () => now);
  };

  it("keeps the notices of its alerts, and what fires at its end is notified at once", async () => {
    const webhook = channel();
    await silence("task:*", start + HOUR_MS);
    await minute(true, start, webhook);
    await minute(true, start + MINUTE_MS, webhook);
    expect(webhook.delivered).toEqual([]);
    expect(await recentNotices(db, 50)).toMatchObject([
      { kind: "fired", isSilenced: true, webhookAt: null, emailAt: null },
    ]);
    await minute(true, start + HOUR_MS, webhook);
    await minute(true, start + HOUR_MS + MINUTE_MS, webhook);
    expect(webhook.delivered).toEqual(["reminder task:backup"]);
    await minute(false, start + 2 * HOUR_MS, webhook);
    expect(webhook.delivered).toEqual(["reminder task:backup", "recovered task:backup"]);
  });

  it("leaves no trace of an alert that fires and recovers within it", async () => {
    const webhook = channel();
    await silence("*", start + HOUR_MS);
    await minute(true, start, webhook);
    await minute(false, start + MINUTE_MS, webhook);
    await minute(false, start + HOUR_MS, webhook);
    expect(webhook.delivered).toEqual([]);
    await minute(true, start + HOUR_MS + MINUTE_MS, webhook);
    expect(webhook.delivered).toEqual(["fired task:backup"]);
  });

  it("holds for no other alert, and not before it begins", async () => {
    const webhook = channel();
    await silence("task:back", start + HOUR_MS);
    await silence("task:backup", start + HOUR_MS, start + MINUTE_MS);
    await minute(true, start, webhook);
    expect(webhook.delivered).toEqual(["fired task:backup"]);
  });

  it("keeps a notice from the release before, too, after a roll-back", async () => {
    await silence("*", start + HOUR_MS);
    await recordConditions(db, [condition(true)], at(start));
    const left =
      "SELECT COUNT(*) AS n FROM alert_notices WHERE email_at IS NULL OR webhook_at IS NULL";
    expect(await db.prepare(left).first("n")).toBe(0);
  });
});

it("an acknowledged alert is not repeated, and its recovery is notified", async () => {
  const webhook = channel();
  const found = async (holds: boolean, now: number) => {
    await recordConditions(db, [condition(holds)], at(now));
    await deliverNotices(db, { webhook: webhook.notify }, () => now);
  };
  await found(true, start);
  expect(await acknowledge(db, "task:backup", { by: "ada", now: start + 1 })).toBe(true);
  for (let day = 1; day < 4; day += 1) await found(true, start + day * 24 * 60 * MINUTE_MS);
  expect(webhook.delivered).toEqual(["fired task:backup"]);
  await found(false, start + 4 * 24 * 60 * MINUTE_MS);
  await found(true, start + 5 * 24 * 60 * MINUTE_MS);
  await found(true, start + 6 * 24 * 60 * MINUTE_MS);
  expect(webhook.delivered.slice(1)).toEqual([
    "recovered task:backup",
    "fired task:backup",
    "reminder task:backup",
  ]);
});

it("a channel that takes pages gets no tickets, and the other channel gets both", async () => {
  const [email, webhook] = [channel(), channel()];
  const page = { ...condition(true), key: "breaker:database" };
  await recordConditions(db, [condition(true), page], at(start));
  const channels = { email: email.notify, webhook: webhook.notify };
  await deliverNotices(db, channels, () => start, { email: "page" });
  expect(email.delivered).toEqual(["fired breaker:database"]);
  expect(webhook.delivered.toSorted()).toEqual(["fired breaker:database", "fired task:backup"]);
});
