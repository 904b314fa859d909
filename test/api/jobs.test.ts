import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { decryptSecret } from "../../shared/webhooks/secrets.ts";
import { cron } from "../support/produce.ts";
import { call, callWith } from "./support.ts";

/** Jobs as operators define, change and run them. Nothing calls their targets here. */

const path = "/api/admin/jobs";
const target = { url: "https://example.com/hook" };
const nightly = { name: "nightly", schedule: { cron: "30 2 * * *" }, target };
const allowed = JSON.stringify({
  queues: ["billing"],
  services: [{ service: "reports", methods: ["close"] }],
});

const stored = async (): Promise<{ status: string; slot: number; id: string }[]> =>
  (
    await env.DB.prepare(
      "SELECT id, status, slot FROM deliveries WHERE kind = 'job' ORDER BY created_at, id",
    ).all<{ status: string; slot: number; id: string }>()
  ).results;

const createdJob = async (fields: object = {}) =>
  await call("POST", path, { ...nightly, ...fields });

const makeDue = async (at: number): Promise<void> =>
  void (await env.DB.prepare("UPDATE jobs SET next_at = ?1").bind(at).run());

beforeEach(async () => {
  await env.DB.batch(
    ["jobs", "deliveries", "webhook_endpoints", "webhook_events", "task_states"].map((table) =>
      env.DB.prepare(`DELETE FROM ${table}`),
    ),
  );
});

describe("a job", () => {
  it("is created with defaults, a secret that is shown once, and its next slot", async () => {
    const { status, body } = await createdJob({ timeZone: "Europe/Berlin", payload: { a: 1 } });
    expect(status).toBe(201);
    expect(body.job).toMatchObject({
      ...nightly,
      builtIn: false,
      timeZone: "Europe/Berlin",
      payload: { a: 1 },
      timeoutMs: 30_000,
      overlap: "skip",
      retries: { max: 3, backoff: "10s" },
      missed: "run-once",
      graceMs: 120_000,
      failures: 0,
    });
    expect(Date.parse(body.job.nextAt)).toBeGreaterThan(Date.now());
    const shown = await call("GET", `${path}/nightly`);
    expect(JSON.stringify(shown.body)).not.toContain("whsec_");
    const row = await env.DB.prepare("SELECT id, secret FROM jobs").first<{
      id: string;
      secret: string;
    }>();
    const key = env.SECRETS_KEY ?? "";
    expect(await decryptSecret(key, row?.id ?? "", row?.secret ?? "")).toBe(body.secret);
  });

  it("is created once under an Idempotency-Key, and its name is taken", async () => {
    const headers = { "Idempotency-Key": "once" };
    expect((await call("POST", path, nightly, { headers })).status).toBe(201);
    const again = await call("POST", path, nightly, { headers });
    expect([again.status, again.body]).toEqual([200, { name: "nightly" }]);
    const other = await call("POST", path, { ...nightly, overlap: "allow" }, { headers });
    expect(other.status).toBe(422);
    const taken = await createdJob();
    expect([taken.status, taken.body.errors[0].path]).toEqual([409, "name"]);
  });

  it("does not take the name of a built-in task", async () => {
    await env.DB.prepare(
      "INSERT INTO task_states (task, last_slot, first_seen_at) VALUES ('sweep-outbox', 0, 0)",
    ).run();
    const refused = await createdJob({ name: "sweep-outbox" });
    expect([refused.status, refused.body.errors[0].path]).toEqual([409, "name"]);
    const put = { schedule: nightly.schedule, target };
    expect((await call("PUT", `${path}/sweep-outbox`, put)).status).toBe(409);
    expect((await call("DELETE", `${path}/sweep-outbox`)).status).toBe(409);
    expect((await call("PATCH", `${path}/sweep-outbox`, { graceMs: 60_000 })).status).toBe(409);
  });

  it.each([
    [{ schedule: {} }, "schedule", "must have exactly one of cron, every, at"],
    [{ schedule: { cron: "* * * * *", every: "60s" } }, "schedule", "must have exactly one of"],
    [{ schedule: { cron: "* * * *" } }, "schedule.cron", "must be five fields"],
    [{ schedule: { cron: "0 0 30 2 *" } }, "schedule.cron", "never comes"],
    [{ schedule: { every: "59s" } }, "schedule.every", "must be from 60s to 366d"],
    [{ schedule: { every: "soon" } }, "schedule.every", "must be a duration"],
    [{ schedule: { at: "2020-01-01T00:00:00Z" } }, "schedule.at", "must be in the future"],
    [{ timeZone: "Mars/Olympus" }, "timeZone", "must be an IANA time zone"],
    [{ timeZone: "+02:00" }, "timeZone", "must be an IANA time zone"],
    [{ target: {} }, "target", "must have url, or queue, or service and method"],
    [{ target: { service: "reports" } }, "target", "must have url, or queue, or service"],
    [{ target: { url: "http://example.com/" } }, "target.url", "must begin with https://"],
    [{ target: { url: "https://10.0.0.1/" } }, "target.url", "must not lead into a private"],
    [{ target: { queue: "secrets" } }, "target.queue", "the deployment allows no queue"],
    [
      { target: { service: "reports", method: "drop" } },
      "target.method",
      'the deployment allows no method "drop"',
    ],
    [{ payload: "x".repeat(70_000) }, "payload", "must have at most 64 KiB"],
    [{ timeoutMs: 300_001 }, "timeoutMs", "must be at most 300000"],
    [{ overlap: "maybe" }, "overlap", "must be one of skip, allow, queue"],
    [{ retries: { max: 11 } }, "retries.max", "must be at most 10"],
    [{ retries: { backoff: "2h" } }, "retries.backoff", "must be from 1s to 1h"],
    [{ name: "Nightly" }, "name", "must be lower-case letters, digits or -"],
  ])("with %j is refused by name, and nothing is written", async (wrong, field, message) => {
    const ask = callWith({ JOB_TARGETS: allowed });
    const refused = await ask("POST", path, { ...nightly, ...wrong });
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].path).toBe(field);
    expect(refused.body.errors[0].message).toContain(message);
    expect((await call("GET", `${path}/nightly`)).status).toBe(404);
  });

  it("calls a queue or a method only if the deployment allows it", async () => {
    const ask = callWith({ JOB_TARGETS: allowed });
    const queue = await ask("POST", path, { ...nightly, target: { queue: "billing" } });
    expect([queue.status, queue.body.secret]).toEqual([201, undefined]);
    const service = { service: "reports", method: "close" };
    const changed = await ask("PATCH", `${path}/nightly`, { target: service });
    expect(changed.body.target).toEqual(service);
    const refused = await call("PATCH", `${path}/nightly`, { target: service });
    expect(refused.body.errors[0].path).toBe("target.method");
  });
});

describe("a change of a job", () => {
  it("that names no schedule keeps its slots, and a new schedule begins now", async () => {
    const { body } = await createdJob({ schedule: { every: "1h" } });
    const kept = await call("PATCH", `${path}/nightly`, { timeoutMs: 5_000 });
    expect(kept.body).toMatchObject({ timeoutMs: 5_000, nextAt: body.job.nextAt });
    const moved = await call("PATCH", `${path}/nightly`, { schedule: { every: "2h" } });
    const wait = Date.parse(moved.body.nextAt) - Date.now();
    expect(wait).toBeGreaterThan(7_100_000);
    expect(wait).toBeLessThanOrEqual(7_200_000);
    expect((await call("PATCH", `${path}/nightly`, {})).status).toBe(422);
  });

  it("records due slots of the schedule that it ends as missed", async () => {
    await createdJob({ schedule: { every: "1h" } });
    const at = Date.now() - 3 * 3_600_000;
    await makeDue(at);
    await call("PATCH", `${path}/nightly`, { schedule: { every: "2h" } });
    const { body } = await call("GET", `${path}/nightly/history`);
    expect(body.items).toMatchObject([{ status: "missed", missed: { count: 4 } }]);
    expect(Date.parse(body.items[0].missed.from)).toBe(at);
  });

  it("by PUT is the same as often as it is repeated, and creates a missing job", async () => {
    const definition = { schedule: { cron: "0 9 * * 1" }, target, payload: { week: true } };
    const made = await call("PUT", `${path}/weekly`, definition);
    expect([made.status, typeof made.body.secret]).toEqual([201, "string"]);
    const again = await call("PUT", `${path}/weekly`, definition);
    expect([again.status, again.body.secret]).toEqual([200, undefined]);
    expect(again.body.job).toEqual(made.body.job);
    const { payload: _, ...without } = definition;
    const changed = await call("PUT", `${path}/weekly`, { ...without, overlap: "queue" });
    expect(changed.body.job).toMatchObject({ overlap: "queue", nextAt: made.body.job.nextAt });
    expect(changed.body.job.payload).toBeUndefined();
  });

  describe("is decided again", () => {
    /** Asks with a D1 that lets something happen between the look and the first write. */
    const askWhile = (meanwhile: () => Promise<unknown>) => {
      let batches = 0;
      const DB = {
        prepare: (sql: string) => env.DB.prepare(sql),
        batch: async (statements: D1PreparedStatement[]) => {
          if ((batches += 1) === 1) await meanwhile();
          return await env.DB.batch(statements);
        },
      } as unknown as D1Database;
      return callWith({ DB });
    };
    const later = Date.now() + 5 * 3_600_000;

    it("if a slot was claimed in between: the slot is not due again", async () => {
      await createdJob({ schedule: { every: "1h" } });
      const changed = await askWhile(() => makeDue(later))("PATCH", `${path}/nightly`, {
        timeoutMs: 5_000,
      });
      expect(changed.body).toMatchObject({
        timeoutMs: 5_000,
        nextAt: new Date(later).toISOString(),
      });
    });

    it("if a slot was claimed in between: it is not recorded as missed, too", async () => {
      await createdJob({ schedule: { every: "1h" } });
      await makeDue(Date.now() - 3 * 3_600_000);
      const schedule = { every: "2h" };
      const changed = await askWhile(() => makeDue(later))("PATCH", `${path}/nightly`, {
        schedule,
      });
      expect(changed.body.schedule).toEqual(schedule);
      expect((await call("GET", `${path}/nightly/history`)).body.items).toEqual([]);
    });

    it("if another change came in between: both are there", async () => {
      await createdJob();
      const other = () => call("PATCH", `${path}/nightly`, { graceMs: 60_000 });
      const changed = await askWhile(other)("PATCH", `${path}/nightly`, { timeoutMs: 5_000 });
      expect(changed.body).toMatchObject({ graceMs: 60_000, timeoutMs: 5_000 });
    });
  });
});

describe("pause and resume", () => {
  it("take the slots of a job away and give it its next one", async () => {
    await createdJob();
    const paused = await call("POST", `${path}/nightly/pause`);
    expect([paused.status, paused.body.nextAt]).toEqual([200, undefined]);
    expect(paused.body.pausedAt).toBeDefined();
    expect((await call("POST", `${path}/nightly/pause`)).body.pausedAt).toBe(paused.body.pausedAt);
    expect((await call("GET", `${path}/nightly/next`)).body).toEqual({ times: [] });
    const resumed = await call("POST", `${path}/nightly/resume`);
    expect(resumed.body.pausedAt).toBeUndefined();
    expect(Date.parse(resumed.body.nextAt)).toBeGreaterThan(Date.now());
  });

  it("work for built-in tasks, except those that repair or delete", async () => {
    await env.DB.prepare(
      `INSERT INTO task_states (task, last_slot, first_seen_at)
       VALUES ('send-digest', 0, 0), ('sweep-outbox', 0, 0)`,
    ).run();
    const one = { cron: "* * * * *", timeoutMs: 1, graceMs: 1, overlap: "skip" as const };
    const list = async () => [
      { ...one, name: "send-digest", nextAt: Date.now(), mayPause: true },
      { ...one, name: "sweep-outbox", nextAt: Date.now() },
    ];
    const ask = callWith({ CRON: cron({ list }) });
    const refused = await ask("POST", `${path}/sweep-outbox/pause`);
    expect(refused.status).toBe(409);
    expect(refused.body.detail).toContain("cannot be paused");
    const paused = await ask("POST", `${path}/send-digest/pause`);
    expect(paused.body).toMatchObject({ name: "send-digest", builtIn: true, mayPause: true });
    expect(paused.body.pausedAt).toBeDefined();
    const at = await env.DB.prepare(
      "SELECT task FROM task_states WHERE paused_at IS NOT NULL",
    ).all();
    expect(at.results).toEqual([{ task: "send-digest" }]);
    expect((await ask("POST", `${path}/send-digest/resume`)).body.pausedAt).toBeUndefined();
  });
});

it("a run of a built-in task takes no Idempotency-Key, which the answer names", async () => {
  await env.DB.prepare(
    `INSERT OR IGNORE INTO task_states (task, last_slot, first_seen_at)
     VALUES ('send-digest', 0, 0)`,
  ).run();
  const headers = { "Idempotency-Key": "k" };
  const { status, body } = await call("POST", `${path}/send-digest/run`, undefined, { headers });
  expect(status).toBe(422);
  expect(body.errors).toEqual([
    { path: "Idempotency-Key", message: "is not supported for a built-in task" },
  ]);
});

describe("the list", () => {
  it("has jobs, newest first, then the built-in tasks, page by page", async () => {
    for (const name of ["one", "two", "three"]) {
      await createdJob({ name });
      await env.DB.prepare("UPDATE jobs SET created_at = created_at - 10000").run();
    }
    const ask = callWith({ CRON: cron() });
    const names: string[] = [];
    for (let cursor = ""; ;) {
      const { body } = await ask("GET", `${path}?limit=2${cursor}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      names.push(...body.items.map((one: { name: string }) => one.name));
      if (body.nextCursor === undefined) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(names).toEqual(["three", "two", "one", "sweep-outbox"]);
  });

  it("of next times is that of the zone, across a change of the clocks", async () => {
    await createdJob({ schedule: { cron: "30 2 * * *" }, timeZone: "Europe/Berlin" });
    const { body } = await call("GET", `${path}/nightly/next?count=100`);
    expect(body.times).toHaveLength(100);
    const hours = body.times.map((at: string) =>
      new Date(at).toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin" }),
    );
    expect(hours.filter((at: string) => at === "02:30:00").length).toBeGreaterThanOrEqual(99);
  });
});

describe("a run on request", () => {
  it("is recorded as due, also while the job is paused", async () => {
    await createdJob({ paused: true });
    const ran = await call("POST", `${path}/nightly/run`);
    expect(ran.status).toBe(202);
    const { body } = await call("GET", `${path}/nightly/history`);
    expect(body.items).toMatchObject([
      { runId: ran.body.runId, trigger: "operator", status: "pending" },
    ]);
  });

  it.each([
    ["skip", 409, ["pending"]],
    ["queue", 202, ["pending", "waiting"]],
    ["allow", 202, ["pending", "pending"]],
  ])("beside another follows overlap %s", async (overlap, status, expected) => {
    await createdJob({ overlap });
    await call("POST", `${path}/nightly/run`);
    expect((await call("POST", `${path}/nightly/run`)).status).toBe(status);
    expect((await stored()).map((one) => one.status).toSorted()).toEqual(expected);
  });
});

describe("a dead run", () => {
  it("is replayed under its id, alone or with others of a time", async () => {
    await createdJob({ overlap: "allow" });
    for (let n = 0; n < 3; n += 1) await call("POST", `${path}/nightly/run`);
    await env.DB.prepare("UPDATE deliveries SET status = 'dead', reason = 'exhausted'").run();
    const dead = await call("GET", `${path}/nightly/history?status=dead`);
    expect(dead.body.items).toHaveLength(3);
    const { runId } = dead.body.items[0];
    const one = await call("POST", `${path}/nightly/history/${runId}/replay`);
    expect([one.status, one.body]).toEqual([202, { replayed: 1 }]);
    expect((await call("POST", `${path}/nightly/history/${runId}/replay`)).status).toBe(409);
    const past = { until: new Date(Date.now() - 60_000).toISOString() };
    expect((await call("POST", `${path}/nightly/replay`, past)).body).toEqual({ replayed: 0 });
    expect((await call("POST", `${path}/nightly/replay`, {})).body).toEqual({ replayed: 2 });
    expect((await stored()).map(({ status }) => status)).toEqual(["pending", "pending", "pending"]);
  });
});

it("a deferred call is cancelled by deleting its job", async () => {
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const { body } = await createdJob({ schedule: { at } });
  expect(body.job).toMatchObject({ schedule: { at }, nextAt: at });
  await call("POST", `${path}/nightly/run`);
  expect((await call("DELETE", `${path}/nightly`)).status).toBe(204);
  expect((await call("GET", `${path}/nightly`)).status).toBe(404);
  expect((await stored()).map(({ status }) => status)).toEqual(["dead"]);
});

it("a secret that is replaced stays valid for a day", async () => {
  const { body } = await createdJob();
  const rotated = await call("POST", `${path}/nightly/secret`);
  expect(rotated.status).toBe(201);
  expect(rotated.body.secret).not.toBe(body.secret);
  const until = Date.parse(rotated.body.job.previousSecretUntil);
  expect(until).toBeGreaterThan(Date.now() + 23 * 3_600_000);
});

it("an endpoint gets job.failed, job.dead and job.recovered, each in the batch of its write", async () => {
  const endpoint = { url: target.url, events: ["job.*"] };
  await call("POST", "/api/webhook-endpoints", endpoint);
  await createdJob();
  const end = async (status: string): Promise<void> => {
    const { runId } = (await call("POST", `${path}/nightly/run`)).body;
    for (const next of ["delivering", status])
      await env.DB.prepare("UPDATE deliveries SET status = ?2, reason = ?3 WHERE id = ?1")
        .bind(runId, next, next === "dead" ? "exhausted" : null)
        .run();
  };
  for (const status of ["dead", "dead", "delivered", "delivered"]) await end(status);
  const { results } = await env.DB.prepare("SELECT type, data FROM webhook_events ORDER BY n").all<{
    type: string;
    data: string;
  }>();
  expect(results.map(({ type }) => type).toSorted()).toEqual([
    "job.dead",
    "job.dead",
    "job.failed",
    "job.recovered",
  ]);
  for (const { data } of results) expect(JSON.parse(data)).toMatchObject({ job: "nightly" });
});

it("the release before cannot end a run by taking its job for a deleted endpoint", async () => {
  await createdJob();
  await call("POST", `${path}/nightly/run`);
  await env.DB.prepare(
    "UPDATE deliveries SET status = 'dead', reason = 'deleted' WHERE status = 'pending'",
  ).run();
  expect((await stored()).map(({ status }) => status)).toEqual(["pending"]);
});
