import { ADMIN_TOKEN, withApiWorker } from "./api-worker.ts";
import { throughput } from "./load.ts";
import { ratios, type Ratio } from "./measure.ts";

/**
 * A whole `GET /api/users/:id`: from memory, beside a bare Worker that answers the same bytes; and
 * a miss, beside one that reads the same row of D1. Each in a runtime that has the machine to
 * itself: two that are up at a time slow each other down.
 */

const WARM_UP_MS = 2_000;
const MEASURE_MS = 4_000;
const ROUNDS = 4;
const PATH = "/api/users/ada";
/** More than are read in the time: each is read once, and so a miss. */
const USERS = 40_000;
const authorization = { Authorization: `Bearer ${ADMIN_TOKEN}` };

type Answer = { headers: Record<string, string>; body: string };

/** Lets `prepare` fill a Worker, and returns its answers per second. */
const measure = <Prepared>(
  main: string,
  prepare: (at: URL) => Promise<Prepared>,
): Promise<{ rate: number; missRate: number; prepared: Prepared }> =>
  withApiWorker(main, async (url, db) => {
    await insertUsers(db);
    const prepared = await prepare(url);
    const fromMemory = { path: PATH, headers: authorization };
    await throughput(url, fromMemory, WARM_UP_MS);
    const rate = await throughput(url, fromMemory, MEASURE_MS);
    let next = 0;
    const missed = { path: () => `/api/users/user-${(next += 1)}`, headers: authorization };
    await throughput(url, missed, WARM_UP_MS);
    const missRate = await throughput(url, missed, MEASURE_MS);
    if (next > USERS) throw new Error("there were too few users to miss each once");
    return { rate, missRate, prepared };
  });

async function insertUsers(db: D1Database): Promise<void> {
  await db
    .prepare(
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
       INSERT INTO users (user_id, email, tier, created_at, updated_at)
       SELECT 'user-' || n, 'user-' || n || '@example.com', 'pro', 0, 0 FROM numbers`,
    )
    .bind(USERS)
    .run();
}

async function signUpAndRead(at: URL): Promise<Answer> {
  const user = JSON.stringify({ userId: "ada", email: "ada@example.com" });
  await fetch(new URL("/api/users", at), {
    method: "POST",
    headers: { ...authorization, "Content-Type": "application/json" },
    body: user,
  });
  await fetch(new URL(PATH, at), { headers: authorization });
  const answer = await fetch(new URL(PATH, at), { headers: authorization });
  if (!answer.headers.get("Cache-Status")?.includes("detail=l1"))
    throw new Error(`not from memory: ${answer.headers.get("Cache-Status")}`);
  const headers = [...answer.headers].filter(
    ([name]) => !["content-length", "date", "connection"].includes(name),
  );
  return { headers: Object.fromEntries(headers), body: await answer.text() };
}

export async function requestRows(): Promise<Ratio[]> {
  const rates = {
    luna: [] as number[],
    bare: [] as number[],
    lunaMiss: [] as number[],
    bareMiss: [] as number[],
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await measure("./workers/api/index.ts", signUpAndRead);
    const bare = await measure("./bench/workers/bare.ts", async (at) => {
      await fetch(new URL("/", at), {
        method: "PUT",
        headers: { "X-Headers": JSON.stringify(ours.prepared.headers) },
        body: ours.prepared.body,
      });
    });
    rates.luna.push(ours.rate);
    rates.bare.push(bare.rate);
    rates.lunaMiss.push(ours.missRate);
    rates.bareMiss.push(bare.missRate);
  }
  return [
    ...ratios("request, from memory", "per second", "bare Worker", {
      "bare Worker": mean(rates.bare),
      luna: mean(rates.luna),
    }),
    ...ratios("request, missed", "per second", "bare Worker that reads the row", {
      "bare Worker that reads the row": mean(rates.bareMiss),
      luna: mean(rates.lunaMiss),
    }),
  ];
}

function mean(all: number[]): number {
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}
