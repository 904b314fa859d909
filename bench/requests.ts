import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { createTestHarness } from "wrangler";
import { throughput } from "./load.ts";
import { table } from "./measure.ts";

/**
 * A whole `GET /api/users/:id` from memory, beside a bare Worker that answers the same bytes. Each in a runtime that has the machine to
 * itself: two that are up at a time slow each other down.
 */

const ADMIN_TOKEN = "bench-admin-token-0123456789abcdef";
const WARM_UP_MS = 2_000;
const MEASURE_MS = 4_000;
const ROUNDS = 4;
const PATH = "/api/users/ada";
const authorization = { Authorization: `Bearer ${ADMIN_TOKEN}` };

type Answer = { headers: Record<string, string>; body: string };

/** Starts a Worker under the configuration of luna-api, lets `prepare` fill it, and returns its answers a second. */
async function measure<Prepared>(main: string, prepare: (at: URL) => Promise<Prepared>): Promise<{ rate: number; prepared: Prepared }> {
  const server = createTestHarness();
  // What the local runtime does for each binding is no part of this; the Worker that it binds does not run here.
  const { services: _, ...config } = parse(readFileSync("wrangler.api.toml", "utf8"));
  const secrets = { ADMIN_TOKEN, SMTP_HOST: "127.0.0.1", SMTP_PORT: "9", SMTP_SECURITY: "none" };
  await server.update({ workers: [{ config: { ...config, main }, secrets }] });
  try {
    const { url } = await server.listen();
    await server.getWorker("luna-api").applyD1Migrations("DB");
    const prepared = await prepare(url);
    await throughput(url, PATH, authorization, WARM_UP_MS);
    return { rate: await throughput(url, PATH, authorization, MEASURE_MS), prepared };
  } finally {
    await server.close();
  }
}

async function signUpAndRead(at: URL): Promise<Answer> {
  const user = JSON.stringify({ userId: "ada", email: "ada@example.com" });
  await fetch(new URL("/api/users", at), { method: "POST", headers: { ...authorization, "Content-Type": "application/json" }, body: user });
  await fetch(new URL(PATH, at), { headers: authorization });
  const answer = await fetch(new URL(PATH, at), { headers: authorization });
  if (!answer.headers.get("Cache-Status")?.includes("detail=l1")) throw new Error(`not from memory: ${answer.headers.get("Cache-Status")}`);
  const headers = [...answer.headers].filter(([name]) => !["content-length", "date", "connection"].includes(name));
  return { headers: Object.fromEntries(headers), body: await answer.text() };
}

export async function requestRows(): Promise<string> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { rate, prepared } = await measure("./workers/api/index.ts", signUpAndRead);
    ours.push(rate);
    const bare = await measure("./bench/workers/bare.ts", async (at) => {
      await fetch(new URL("/", at), { method: "PUT", headers: { "X-Headers": JSON.stringify(prepared.headers) }, body: prepared.body });
    });
    theirs.push(bare.rate);
  }
  const [luna, bare] = [mean(ours), mean(theirs)];
  return table(
    ["whole request, from memory", "a second", "of bare"],
    [
      ["bare Worker", bare.toFixed(0), "1.00x"],
      ["GET /api/users/:id", luna.toFixed(0), `${(luna / bare).toFixed(2)}x`],
    ],
  );
}

function mean(all: number[]): number {
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}
