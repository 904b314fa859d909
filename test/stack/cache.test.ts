import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { useStack } from "./support.ts";

/**
 * Workers that share only KV and the objects: each has an isolate, and so a memory and a
 * view, of its own.
 */
const names = ["consumer-worker-a", "consumer-worker-b"];
const consumerWorkers = names.map((name) => ({
  config: {
    name,
    main: "./test/stack/fixtures/caching-consumer-worker.ts",
    compatibility_date: "2026-11-01",
    kv_namespaces: [{ binding: "CACHE", id: "luna-cache" }],
    durable_objects: {
      bindings: [
        { name: "CIRCUIT_BREAKER", class_name: "CircuitBreaker", script_name: "luna-api" },
        { name: "CACHE_TAG_INDEX", class_name: "CacheTagIndex", script_name: "luna-api" },
        { name: "TELEMETRY", class_name: "Telemetry", script_name: "luna-api" },
      ],
    },
  },
}));
const stack = useStack({}, consumerWorkers, "file");
const { call } = stack;
const BOUND_MS = 2_000;

type Read = { value?: number; how?: string; loads?: number; ok?: boolean };

async function ask(name: string, what: string, init: RequestInit = {}): Promise<Read> {
  const response = await stack.server
    .getWorker(name)
    .fetch(`http://consumer-worker.test/${what}`, init as never);
  return (await response.json()) as Read;
}

const evict = (): Promise<void> =>
  stack.server.getWorker("luna-api").evictDurableObject("CacheTagIndex", { name: "cache" });

it("isolates share KV, and a purge by an operator reaches all of them within the bound, though the index is evicted", async () => {
  expect(await ask("consumer-worker-a", "read?tag=shared")).toEqual({
    value: 1,
    how: "luna; fwd=uri-miss; stored",
  });
  await eventually(async () =>
    expect((await ask("consumer-worker-b", "read?tag=shared")).how).toMatch(
      /hit; ttl=\d+; detail=l[12]/,
    ),
  );
  // Each has an origin of its own: what changes there shows who loaded again.
  for (const name of names) await ask(name, "write");
  await evict();
  const { body } = await call("POST", "/api/admin/cache/invalidate", { tags: ["shared"] });
  const purgedAt = Date.now();
  expect(body).toMatchObject({ invalidated: 1, failed: 0 });
  const lastOld = new Map(names.map((name) => [name, 0]));
  while (Date.now() < purgedAt + BOUND_MS + 1_000) {
    for (const name of names) {
      const askedAt = Date.now();
      if ((await ask(name, "read?tag=shared")).value === 1) lastOld.set(name, askedAt);
    }
  }
  for (const [name, at] of lastOld) expect(at, name).toBeLessThanOrEqual(purgedAt + BOUND_MS);
});

it("a purge by RPC from another Worker is seen by the Worker that purged at once, and by the next within the bound", async () => {
  await ask("consumer-worker-a", "read?tag=rpc");
  const before = (await ask("consumer-worker-a", "read?tag=rpc")).value;
  await ask("consumer-worker-a", "write");
  expect(await ask("consumer-worker-a", "purge?tag=rpc")).toMatchObject({ ok: true });
  expect((await ask("consumer-worker-a", "read?tag=rpc")).value).not.toBe(before);
});

it("a crowd makes one load, and goes on when the request that leads it is aborted", async () => {
  // The index is another one in each test: this isolate learns it now, and not while the crowd
  // waits.
  await ask("consumer-worker-a", "purge?tag=nothing");
  const { loads } = await ask("consumer-worker-a", "loads");
  const aborted = new AbortController();
  const leader = ask("consumer-worker-a", "read?tag=crowd&crowd=51", {
    signal: aborted.signal,
  }).catch(() => "aborted");
  await eventually(async () =>
    expect((await ask("consumer-worker-a", "loads")).loads).toBe(Number(loads) + 1),
  );
  const followers = Array.from({ length: 50 }, () =>
    ask("consumer-worker-a", "read?tag=crowd&crowd=51"),
  );
  aborted.abort();
  expect(await leader).toBe("aborted");
  for (const { value, how } of await Promise.all(followers)) {
    expect(value).toBeTypeOf("number");
    expect(how).toContain("collapsed");
  }
  expect((await ask("consumer-worker-a", "loads")).loads).toBe(Number(loads) + 1);
});

it("a purge that its writer could not deliver is delivered by the sweep, to an isolate that still serves what is old", async () => {
  const { body } = await call("POST", "/api/users", {
    userId: "swept",
    email: "swept@example.com",
  });
  expect(body.user.tier).toBe("free");
  expect((await call("GET", "/api/users/swept")).body.user.tier).toBe("free");
  // As a process leaves it that dies between the commit and the purge: the write and its intent, in
  // one batch.
  const db = await stack.db();
  await db.batch([
    db.prepare("UPDATE users SET tier = 'pro' WHERE user_id = 'swept'"),
    db
      .prepare("INSERT INTO purge_intents VALUES ('left', '[\"user:swept\"]', 'hard', ?)")
      .bind(Date.now() - 11_000),
  ]);
  expect((await call("GET", "/api/users/swept")).body.user.tier).toBe("free");
  const { results } = (await call("POST", "/api/admin/scheduled-tasks/tick")).body;
  expect(results).toContainEqual(
    expect.objectContaining({ task: "deliver-purges", result: { delivered: 1, purges: 1 } }),
  );
  await eventually(async () =>
    expect((await call("GET", "/api/users/swept")).body.user.tier).toBe("pro"),
  );
  expect(await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n")).toBe(0);
});

it("what all isolates count comes together", async () => {
  const reads = async () => {
    const { body } = await call("GET", "/api/cache/metrics");
    return body.hits + body.misses;
  };
  const before = await reads();
  for (const name of names) for (let n = 0; n < 5; n += 1) await ask(name, "read?tag=counted");
  await eventually(async () => expect(await reads()).toBeGreaterThanOrEqual(before + 10));
});
