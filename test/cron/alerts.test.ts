import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { byEmail, byWebhook } from "../../shared/alerts/channels.ts";
import { findingsOf } from "../../shared/alerts/rules/conditions.ts";
import type { Finding } from "../../shared/alerts/rules/evaluate.ts";
import { alertSettings } from "../../shared/alerts/settings.ts";
import { readFacts, recentNotices, type Notice } from "../../shared/alerts/sql/alerts.ts";
import { noteFindings, sayNotices, type Say } from "../../shared/alerts/watch.ts";
import { fakeQueue, queueEmail } from "../support/emails.ts";
import { eventually } from "../support/eventually.ts";

/** What somebody is told, and what becomes of that when a channel is broken, on a real D1. */

const db = env.DB;
const MINUTE_MS = 60_000;
const start = Date.parse("2026-11-25T09:00:00Z");
let ids = 0;
const newId = () => `notice-${(ids += 1)}`;

beforeEach(async () => {
  const tables = [
    "alerts",
    "alert_notices",
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

const finding = (holds: boolean): Finding => ({
  key: "task:backup",
  holds,
  forMs: 0,
  summary: "the task backup failed 3 times running",
});

/** A channel that keeps what it said, and can be broken. */
function channel() {
  const said: string[] = [];
  const state = { broken: false, said };
  const say: Say = async ({ kind, key }) => {
    if (state.broken) throw new Error("the channel is broken");
    said.push(`${kind} ${key}`);
  };
  return { ...state, state, say };
}

describe("an alert", () => {
  it("is said once when it fires and once when it is over, on every channel", async () => {
    const [email, webhook] = [channel(), channel()];
    for (const [minute, holds] of [true, true, true, false, false, true].entries()) {
      await noteFindings(db, [finding(holds)], start + minute * MINUTE_MS, newId);
      await sayNotices(db, { email: email.say, webhook: webhook.say }, () => start);
    }
    expect(email.said).toEqual(["fired task:backup", "recovered task:backup", "fired task:backup"]);
    expect(webhook.said).toEqual(email.said);
    const recovered = (await recentNotices(db, 50)).find(({ kind }) => kind === "recovered");
    expect(recovered?.summary, "it says what is over").toBe(
      "the task backup failed 3 times running",
    );
  });

  it("is said by the other channel while one is broken, and by that one when it is mended, in order", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const [email, webhook] = [channel(), channel()];
    email.state.broken = true;
    await noteFindings(db, [finding(true)], start, newId);
    await sayNotices(db, { email: email.say, webhook: webhook.say }, () => start);
    await noteFindings(db, [finding(false)], start + MINUTE_MS, newId);
    await sayNotices(db, { email: email.say, webhook: webhook.say }, () => start);
    expect([email.said, webhook.said]).toEqual([
      [],
      ["fired task:backup", "recovered task:backup"],
    ]);
    email.state.broken = false;
    await sayNotices(db, { email: email.say, webhook: webhook.say }, () => start);
    expect(email.said).toEqual(webhook.said);
  });

  it("of something that is gone is over, and says why", async () => {
    await noteFindings(db, [finding(true)], start, newId);
    const gone = (key: string) =>
      key === "task:backup" ? "the task backup is no longer registered" : null;
    await noteFindings(db, [], start, newId);
    await noteFindings(db, [finding(true)], start, newId, gone);
    expect(await recentNotices(db, 50)).toHaveLength(1);
    await noteFindings(db, [], start + 1, newId, gone);
    await noteFindings(db, [], start + 2, newId, gone);
    expect((await recentNotices(db, 50)).map(({ kind, summary }) => [kind, summary])).toEqual([
      ["recovered", "the task backup is no longer registered"],
      ["fired", "the task backup failed 3 times running"],
    ]);
  });

  it("is said once although many judge it at the same moment", async () => {
    await Promise.all(
      Array.from({ length: 10 }, () => noteFindings(db, [finding(true)], start, newId)),
    );
    expect(await recentNotices(db, 50)).toHaveLength(1);
  });
});

describe("a channel", () => {
  it("that is slow says a notice once although two rounds come at the same moment", async () => {
    const said: string[] = [];
    const slow: Say = async ({ id }) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      said.push(id);
    };
    await noteFindings(db, [finding(true)], start, newId);
    await Promise.all([1, 2, 3].map(() => sayNotices(db, { webhook: slow }, () => start)));
    expect(said).toHaveLength(1);
  });

  it("whose process died while it said a notice says it a minute later", async () => {
    const { said, say } = channel();
    await noteFindings(db, [finding(true)], start, newId);
    await db
      .prepare("UPDATE alert_notices SET webhook_lease = ?1")
      .bind(start + MINUTE_MS)
      .run();
    await sayNotices(db, { webhook: say }, () => start + MINUTE_MS - 1);
    expect(said).toEqual([]);
    await sayNotices(db, { webhook: say }, () => start + MINUTE_MS);
    expect(said).toEqual(["fired task:backup"]);
  });

  it("that is new says what is wrong now, and nothing of weeks ago", async () => {
    for (let day = 0; day < 30; day += 1) {
      await noteFindings(
        db,
        [{ ...finding(day % 2 === 0), key: "task:old" }],
        start - (40 - day) * 86_400_000,
        newId,
      );
    }
    for (let n = 0; n < 30; n += 1) {
      await noteFindings(
        db,
        [{ ...finding(n % 2 === 0), key: "task:flapping" }],
        start - (30 - n) * MINUTE_MS,
        newId,
      );
    }
    await noteFindings(db, [finding(true)], start, newId);
    const { said, say } = channel();
    await sayNotices(db, { webhook: say }, () => start);
    expect(said).toContain("fired task:backup");
    expect(said.filter((one) => one.endsWith("task:old"))).toEqual([]);
  });
});

describe("by email", () => {
  const notice: Notice = {
    id: "n1",
    key: "task:backup",
    kind: "fired",
    summary: "the task backup failed 3 times running",
    at: start,
  };

  it("is a mail of our own queue, one however often it is asked for", async () => {
    const doorbells = fakeQueue();
    const say = byEmail(
      { db, queue: doorbells.queue },
      { EMAIL_FROM: "Luna <hello@luna.example>" },
      "oncall@example.com",
      Date.now,
    );
    await say(notice);
    await say(notice);
    const { results } = await db
      .prepare('SELECT tenant, to_address AS "to", subject FROM emails')
      .all();
    expect(results).toEqual([
      {
        tenant: "system",
        to: "oncall@example.com",
        subject: "[Luna] Alert: the task backup failed 3 times running",
      },
    ]);
    expect(doorbells.sent).toHaveLength(1);
  });

  it("has not said what did not reach anybody: the address is suppressed", async () => {
    await db
      .prepare(
        "INSERT INTO suppressions (address, scope, reason, created_at) VALUES ('oncall@example.com', 'all', 'bounce', 0)",
      )
      .run();
    const say = byEmail(
      { db, queue: fakeQueue().queue },
      { EMAIL_FROM: "Luna <hello@luna.example>" },
      "oncall@example.com",
      Date.now,
    );
    await expect(say(notice)).rejects.toThrow("suppressed");
    const facts = await readFacts(db, [], 3, "OnCall@example.com", start);
    expect(
      findingsOf(facts, [], { failures: 3, wrong: [] }, start).filter(({ holds }) => holds),
    ).toMatchObject([{ key: "channel:email" }]);
    await db.prepare("DELETE FROM suppressions").run();
  });

  it("says why when it cannot", async () => {
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

  it("is JSON that Slack takes, with the notice beside it and a key that tells a repeat", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("ok"));
    await byWebhook(env, "https://hooks.example/x")(notice);
    const [url, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(url).toBe("https://hooks.example/x");
    expect(new Headers(init.headers).get("Idempotency-Key")).toBe("n1");
    expect(JSON.parse(init.body as string)).toEqual({
      text: "Recovered: the circuit breaker cache is CLOSED",
      alert: { ...notice, at: "2026-11-25T09:00:00.000Z" },
    });
  });

  it("is said later while the breaker of the webhook is open, and goes nowhere else than it was sent", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("ok"));
    await byWebhook(env, "https://hooks.example/x")(notice);
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
    const say = byWebhook(elsewhere, "https://hooks.example/x");
    await eventually(() =>
      expect(say(notice)).rejects.toThrow("circuit breaker of the webhook is open"),
    );
    await breaker.reset({ actor: "test", reason: "test" });
  });

  it("is said later when the answer is none that is well", async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("no", { status: 500 }));
    await expect(byWebhook(env, "https://hooks.example/x")(notice)).rejects.toThrow("500");
  });
});

describe("what is found", () => {
  const holding = async (breakers: { name: string; state: string }[] = [], now = start) => {
    const facts = await readFacts(db, ["backup", "report"], 3, "oncall@example.com", now);
    return findingsOf(facts, breakers, { failures: 3, wrong: [] }, now).flatMap(({ key, holds }) =>
      holds ? [key] : [],
    );
  };
  const execution = async (id: string, endedAt: number, failed: string[]): Promise<void> => {
    await db.batch([
      db
        .prepare(
          "INSERT INTO task_executions (execution_id, trigger, started_at, ended_at, total, failed) VALUES (?1, 'cron', ?2, ?2, 5, ?3)",
        )
        .bind(id, endedAt, failed.length),
      ...failed.map((task) =>
        db
          .prepare(
            "INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status, started_at) VALUES (?1, ?2, ?3, 'cron', ?4, 'failure', ?4)",
          )
          .bind(`${id}-${task}`, id, task, endedAt),
      ),
    ]);
  };

  it("is nothing while all is well", async () => {
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

  it("are three failures of one execution also behind one that ended just after it, and however long nobody looked", async () => {
    await execution("bad", start, ["a", "b", "c"]);
    expect(await holding([], start + 9 * 3_600_000)).toEqual(["execution"]);
    await execution("good", start + 1_000, []);
    expect(await holding([], start + MINUTE_MS)).toEqual(["execution"]);
    await execution("better", start + 3 * MINUTE_MS, []);
    expect(await holding([], start + 3 * MINUTE_MS)).toEqual([]);
  });

  it("are failures of runs that nobody ended, before anybody has written that down", async () => {
    await execution("e1", start, ["backup"]);
    await execution("e2", start + 1, ["backup"]);
    await db
      .prepare(
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status, started_at, lease_expires_at)
         VALUES ('r', 'e2', 'backup', 'cron', ?1, 'running', ?1, ?1)`,
      )
      .bind(start + MINUTE_MS)
      .run();
    expect(await holding([], start + MINUTE_MS - 1)).toEqual([]);
    expect(await holding([], start + MINUTE_MS)).toEqual(["task:backup"]);
  });

  it("are three failures of one task running, and no more once it has succeeded", async () => {
    const run = (n: number, task: string, status: string) =>
      db
        .prepare(
          "INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status, started_at) VALUES (?1, 'e', ?2, 'cron', ?3, ?4, ?3)",
        )
        .bind(`${task}-${n}`, task, n, status);
    await db
      .prepare(
        "INSERT INTO task_executions (execution_id, trigger, started_at, total) VALUES ('e', 'cron', 0, 0)",
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

  it("is a setting that cannot be used, by its name", () => {
    const { wrong } = alertSettings({
      ALERT_EMAIL: "nonsense",
      ALERT_WEBHOOK_URL: "http://hooks.example",
    });
    const facts = {
      streaks: [],
      failed: [],
      mails: {
        oldestDueAt: null,
        unknown: 0,
        dead: 0,
        newestDeadAt: null,
        expiring: 0,
        operatorIsSuppressed: 0,
      },
    };
    const found = findingsOf(facts, [], { failures: 3, wrong }, start).filter(({ holds }) => holds);
    expect(found).toMatchObject([
      {
        key: "settings",
        summary:
          "ALERT_EMAIL must be one plain email address; ALERT_WEBHOOK_URL must be https, but on loopback",
      },
    ]);
  });

  it("are breakers that have been open for five minutes, and none that opens and closes", async () => {
    const open = [{ name: "cache", state: "OPEN" }];
    const facts = await readFacts(db, [], 3, null, start);
    const judgeAt = async (minutes: number, breakers: { name: string; state: string }[]) => {
      await noteFindings(
        db,
        findingsOf(facts, breakers, { failures: 3, wrong: [] }, start),
        start + minutes * MINUTE_MS,
        newId,
      );
      return (await recentNotices(db, 50)).length;
    };
    expect(await judgeAt(0, open)).toBe(0);
    expect(await judgeAt(4, open)).toBe(0);
    expect(await judgeAt(5, open)).toBe(1);
    expect(await judgeAt(6, [])).toBe(1);
  });

  it("are new dead letters, also beside old ones, within an hour", async () => {
    const letter = (n: number, buriedAt: number) =>
      db
        .prepare(
          "INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at) VALUES (?1, 'poison', '', 1, ?2, ?3)",
        )
        .bind(`poison:${n}`, buriedAt, start + 9 * 86_400_000)
        .run();
    const judgeAt = async (minutes: number) => {
      const now = start + minutes * MINUTE_MS;
      await noteFindings(
        db,
        findingsOf(await readFacts(db, [], 3, null, now), [], { failures: 3, wrong: [] }, now),
        now,
        newId,
      );
      return (await recentNotices(db, 50)).map(({ summary }) => summary);
    };
    await letter(1, start);
    expect(await judgeAt(1)).toHaveLength(1);
    expect(await judgeAt(90)).toHaveLength(1);
    await letter(2, start + 91 * MINUTE_MS);
    const said = await judgeAt(92);
    expect(said).toHaveLength(2);
    expect(said).toContain("2 dead letters to be looked at");
    await letter(3, start + 93 * MINUTE_MS);
    expect(await judgeAt(94)).toHaveLength(2);
    expect(await judgeAt(152)).toHaveLength(3);
  });

  it("are mails that nobody delivers, whose fate is unknown, and dead letters, before they expire", async () => {
    const due = await queueEmail(db, start - 6 * MINUTE_MS);
    expect(await holding()).toEqual(["email:due"]);
    await db.prepare("UPDATE emails SET status = 'unknown' WHERE id = ?").bind(due).run();
    expect(await holding()).toEqual(["email:unknown"]);
    await db.prepare("DELETE FROM emails").run();
    const letter = (id: string, expiresAt: number) =>
      db
        .prepare(
          "INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at) VALUES (?1, 'poison', '', 1, 0, ?2)",
        )
        .bind(id, expiresAt);
    await letter("poison:1", start + 3 * 86_400_000).run();
    expect(await holding()).toEqual(["email:dead"]);
    await letter("poison:2", start + 3_600_000).run();
    expect(await holding()).toEqual(["email:dead", "email:expiring"]);
  });
});
