import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { beforeEach, describe, expect, it } from "vitest";
import { runDueJobs, type NextRun, type RunPorts } from "../../shared/schedule/jobs/run-due.ts";
import type { JobCall } from "../../shared/schedule/rules/job-definition.ts";
import { findJob } from "../../shared/schedule/sql/jobs.ts";
import { replayOne } from "../../shared/webhooks/sql/deliveries.ts";
import { JOBS_KEY, JOBS_SECRET, jobQueue, startAt, storeJob } from "../support/jobs.ts";
import { losingReplies } from "../support/lossy-database.ts";

/** Jobs from the slot to the receiver: what it gets, and what becomes of its answers. */

const db = env.DB;
const MINUTE_MS = 60_000;
/** Now, because a verifier compares its own clock. */
const start = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;

let now = start;
let { queue, take } = jobQueue();
let calls: Request[] = [];
let answer: (call: Request) => Response | Promise<Response> = () => new Response("done");

beforeEach(async () => {
  now = start;
  ({ queue, take } = jobQueue());
  calls = [];
  answer = () => new Response("done");
  await db.batch(["jobs", "deliveries"].map((table) => db.prepare(`DELETE FROM ${table}`)));
});

const ports = (changes: Partial<RunPorts> = {}): RunPorts => ({
  db,
  bindings: {},
  allowed: { queues: [], services: [] },
  secretsKey: JOBS_KEY,
  policy: { allowLoopback: false },
  fetch: async (input, init) => {
    const request = new Request(input, init);
    calls.push(request.clone());
    return await answer(request);
  },
  now: () => now,
  random: () => 0.5,
  ...changes,
});

/** What luna-cron does in a minute. @returns the runs that it notifies of */
async function trigger(): Promise<string[]> {
  await startAt(db, queue, now);
  return take();
}

/** The consumer gets these. @returns what is due next */
async function consume(ids: readonly string[], changes: Partial<RunPorts> = {}) {
  const next: NextRun[] = [];
  await runDueJobs(ports(changes), ids, async (runs) => void next.push(...runs));
  return next;
}

type Row = { id: string; status: string; attempts: number; reason: string | null; log: string };
const runs = async (): Promise<Row[]> =>
  (
    await db
      .prepare("SELECT id, status, attempts, reason, log FROM deliveries ORDER BY created_at, id")
      .all<Row>()
  ).results;
const statuses = async (): Promise<string[]> => (await runs()).map(({ status }) => status);

describe("a call of a URL", () => {
  it("is signed, names its run, and has the same id and body at each attempt", async () => {
    await storeJob(db, "hourly", { payload: { a: 1 }, retries: { max: 1, backoff: "10s" } }, now);
    now += MINUTE_MS;
    const [runId = ""] = await trigger();
    answer = () => new Response("not now", { status: 500 });
    const next = await consume([runId]);
    expect(next).toEqual([{ id: runId, at: now + 10_000 }]);
    now += 10_000;
    answer = () => new Response(null, { status: 204 });
    expect(await consume([runId])).toEqual([]);
    const bodies: string[] = [];
    for (const call of calls) {
      const body = await call.text();
      bodies.push(body);
      const headers = Object.fromEntries(call.headers);
      expect(() => new Webhook(JOBS_SECRET).verify(body, headers)).not.toThrow();
      expect([headers["webhook-id"], headers["idempotency-key"]]).toEqual([runId, runId]);
    }
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0] ?? "")).toEqual({
      id: runId,
      job: "hourly",
      scheduledTime: new Date(start + MINUTE_MS).toISOString(),
      payload: { a: 1 },
    });
    const [run] = await runs();
    expect(run).toMatchObject({ status: "delivered", attempts: 2 });
    expect(JSON.parse(run?.log ?? "")).toMatchObject([
      { outcome: "status", status: 500, answer: "not now" },
      { outcome: "delivered", status: 204 },
    ]);
  });

  it.each([
    ["a redirect", () => Response.redirect("https://example.com/other", 302), "redirect"],
    ["a client error", () => new Response(null, { status: 404 }), "status"],
    ["no answer", () => Promise.reject(new Error("reset")), "connection"],
  ])("that gets %s is a dead run without retries", async (_, fault, outcome) => {
    await storeJob(db, "hourly", {}, now);
    now += MINUTE_MS;
    answer = fault;
    await consume(await trigger());
    const [run] = await runs();
    expect(run).toMatchObject({ status: "dead", reason: "exhausted" });
    expect(JSON.parse(run?.log ?? "")).toMatchObject([{ outcome }]);
    expect((await findJob(db, "hourly"))?.failures).toBe(1);
  });

  it("is not made if the deployment has stopped allowing its URL", async () => {
    await storeJob(db, "hourly", { target: { url: "https://10.0.0.1/" } }, now);
    now += MINUTE_MS;
    await consume(await trigger());
    expect(calls).toEqual([]);
    expect(JSON.parse((await runs())[0]?.log ?? "")).toMatchObject([{ outcome: "refused-url" }]);
  });
});

describe("a call of a queue or a method", () => {
  const allowed = {
    queues: ["billing"],
    services: [{ service: "reports", methods: ["close"] }],
  };

  it("carries the same as that of a URL", async () => {
    const got: JobCall[] = [];
    const bindings = {
      JOB_QUEUE_BILLING: { send: async (call: JobCall) => void got.push(call) },
      JOB_SERVICE_REPORTS: { close: async (call: JobCall) => void got.push(call) },
    };
    await storeJob(db, "bill", { target: { queue: "billing" }, payload: [1] }, now);
    await storeJob(db, "close", { target: { service: "reports", method: "close" } }, now);
    now += MINUTE_MS;
    const ids = await trigger();
    await consume(ids, { allowed, bindings });
    expect(await statuses()).toEqual(["delivered", "delivered"]);
    const scheduledTime = new Date(start + MINUTE_MS).toISOString();
    expect(got.toSorted((one, other) => one.job.localeCompare(other.job))).toEqual([
      { id: expect.any(String) as string, job: "bill", scheduledTime, payload: [1] },
      { id: expect.any(String) as string, job: "close", scheduledTime, payload: null },
    ]);
    expect(got.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  });

  it.each([
    ["the list no longer allows", { queues: [], services: [] }, {}, "refused-target"],
    ["no binding is there for", allowed, {}, "connection"],
    [
      "throws",
      allowed,
      { JOB_QUEUE_BILLING: { send: () => Promise.reject(new Error("full")) } },
      "connection",
    ],
  ])("that %s fails, and nothing is shown as done", async (_, list, bindings, outcome) => {
    await storeJob(db, "bill", { target: { queue: "billing" } }, now);
    now += MINUTE_MS;
    await consume(await trigger(), { allowed: list, bindings });
    const [run] = await runs();
    expect(run).toMatchObject({ status: "dead" });
    expect(JSON.parse(run?.log ?? "")).toMatchObject([{ outcome }]);
  });

  it("that does not end within the time limit fails at it", async () => {
    const bindings = { JOB_QUEUE_BILLING: { send: () => new Promise(() => undefined) } };
    await storeJob(db, "bill", { target: { queue: "billing" }, timeoutMs: 10 }, now);
    now += MINUTE_MS;
    await consume(await trigger(), { allowed, bindings });
    expect(JSON.parse((await runs())[0]?.log ?? "")).toMatchObject([{ outcome: "deadline" }]);
  });
});

describe("a slot", () => {
  it("is claimed once by triggers that come at the same time", async () => {
    for (let n = 0; n < 20; n += 1) await storeJob(db, `job-${n}`, {}, now);
    now += MINUTE_MS;
    await Promise.all([startAt(db, queue, now), startAt(db, queue, now), startAt(db, queue, now)]);
    expect(await runs()).toHaveLength(20);
    const ids = take();
    await Promise.all([
      consume(ids.slice(0, 6)),
      consume(ids.slice(0, 6)),
      consume(ids.slice(3, 9)),
    ]);
    expect(calls).toHaveLength(9);
  });

  it("is recorded as missed if nothing triggered, and the latest is run once", async () => {
    await storeJob(db, "often", {}, now);
    now += HOUR_MS;
    const ids = await trigger();
    expect(ids).toHaveLength(1);
    expect((await statuses()).toSorted()).toEqual(["missed", "pending"]);
    const missed = await db
      .prepare("SELECT missed_count FROM deliveries WHERE status = 'missed'")
      .first<number>("missed_count");
    expect(missed).toBe(59);
    expect(await trigger()).toEqual(ids);
    expect(await runs()).toHaveLength(2);
  });

  it("older than the grace is missed, too, if the job skips those", async () => {
    const at = now + MINUTE_MS;
    await storeJob(db, "once", { schedule: { at }, missed: "skip", graceMs: MINUTE_MS }, now);
    now = at + 2 * MINUTE_MS;
    expect(await trigger()).toEqual([]);
    expect(await statuses()).toEqual(["missed"]);
    expect((await findJob(db, "once"))?.nextAt).toBeNull();
  });

  it.each([
    ["skip", ["pending", "skipped", "skipped"]],
    ["allow", ["pending", "pending", "pending"]],
    ["queue", ["pending", "waiting", "waiting"]],
  ] as const)("beside a run that is not over follows overlap %s", async (overlap, expected) => {
    await storeJob(db, "often", { overlap }, now);
    for (let n = 0; n < 3; n += 1) {
      now += MINUTE_MS;
      await trigger();
    }
    expect(await statuses()).toEqual(expected);
  });

  it("that waits is run when the run before it is over, in their order", async () => {
    await storeJob(db, "often", { overlap: "queue" }, now);
    const first: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      now += MINUTE_MS;
      first.push(...(await trigger()));
    }
    let due = first.slice(0, 1);
    for (let n = 0; n < 3; n += 1) due = (await consume(due)).map(({ id }) => id);
    expect(await statuses()).toEqual(["delivered", "delivered", "delivered"]);
    const slots = await Promise.all(
      calls.map(async (call) => (await call.json<JobCall>()).scheduledTime),
    );
    expect(slots).toEqual(slots.toSorted());
  });
});

describe("a consumer that dies", () => {
  it("between claim and record leaves a run that is called again, also without retries", async () => {
    await storeJob(db, "once", { schedule: { at: now + MINUTE_MS } }, now);
    now += MINUTE_MS;
    const ids = await trigger();
    const killed = ports({
      fetch: () => Promise.reject(new Error("killed")),
      random: () => {
        throw new Error("killed before the record");
      },
    });
    await expect(runDueJobs(killed, ids, async () => undefined)).rejects.toThrow("killed");
    expect(await statuses()).toEqual(["delivering"]);
    now += 89_000;
    expect(await trigger()).toEqual([]);
    now += 2_000;
    expect(await trigger()).toEqual(ids);
    await consume(ids);
    expect(await runs()).toMatchObject([{ status: "delivered", attempts: 1 }]);
  });

  it("records nothing if it comes back after its lease: a late result is fenced", async () => {
    await storeJob(db, "once", { schedule: { at: now + MINUTE_MS } }, now);
    now += MINUTE_MS;
    const ids = await trigger();
    const held = Promise.withResolvers<Response>();
    answer = () => held.promise;
    const late = consume(ids);
    while (calls.length === 0) await scheduler.wait(1);
    now += 91_000;
    await trigger();
    answer = () => new Response("done");
    await consume(ids);
    held.resolve(new Response(null, { status: 500 }));
    await late;
    expect(await runs()).toMatchObject([{ status: "delivered" }]);
    expect((await findJob(db, "once"))?.failures).toBe(0);
  });

  it("or a reply of D1 that was lost loses no run", async () => {
    await storeJob(db, "once", { schedule: { at: now + MINUTE_MS } }, now);
    now += MINUTE_MS;
    await expect(startAt(losingReplies(db), queue, now)).rejects.toThrow("lost");
    const ids = await trigger();
    await expect(consume(ids, { db: losingReplies(db) })).rejects.toThrow("lost");
    now += 91_000;
    await consume(await trigger());
    expect(await statuses()).toEqual(["delivered"]);
    expect(calls).toHaveLength(1);
  });
});

it("a receiver that asks for time uses up no attempt, and the wait is bounded", async () => {
  await storeJob(db, "once", { schedule: { at: now + MINUTE_MS } }, now);
  now += MINUTE_MS;
  answer = () => new Response(null, { status: 429, headers: { "Retry-After": "86400" } });
  const [next] = await consume(await trigger());
  expect(next?.at).toBe(now + HOUR_MS + 1_000);
  expect(await runs()).toMatchObject([{ status: "pending", attempts: 0 }]);
});

it("a dead run is called again by a replay, under its id", async () => {
  const jobId = await storeJob(db, "once", { schedule: { at: now + MINUTE_MS } }, now);
  now += MINUTE_MS;
  answer = () => new Response(null, { status: 500 });
  const ids = await trigger();
  await consume(ids);
  expect(await statuses()).toEqual(["dead"]);
  await replayOne(db, { id: ids[0] ?? "", target: jobId }, now);
  answer = () => new Response("done");
  await consume(await trigger());
  expect(await statuses()).toEqual(["delivered"]);
  expect(new Set(calls.map((call) => call.headers.get("webhook-id"))).size).toBe(1);
  expect((await findJob(db, "once"))?.failures).toBe(0);
});

it("a run whose job was deleted ends as cancelled, and nothing is called", async () => {
  await storeJob(db, "once", { schedule: { at: now + MINUTE_MS } }, now);
  now += MINUTE_MS;
  const ids = await trigger();
  await db.prepare("DELETE FROM jobs").run();
  await consume(ids);
  expect(await runs()).toMatchObject([{ status: "dead", reason: "cancelled" }]);
  expect(calls).toEqual([]);
});
