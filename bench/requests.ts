import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { createTestHarness } from "wrangler";
import { throughput } from "./load.ts";
import { table } from "./measure.ts";

/** A whole `GET /api/users/:id` from memory, beside a bare Worker that answers the same bytes, each alone in a runtime of its own. */

const ADMIN_TOKEN = "bench-admin-token-0123456789abcdef";
const ROUND_MS = 1_500;
const ROUNDS = 9;

export async function requestRows(): Promise<string> {
  const [luna, bare] = [createTestHarness(), createTestHarness()];
  const secrets = { ADMIN_TOKEN, SMTP_HOST: "127.0.0.1", SMTP_PORT: "9", SMTP_SECURITY: "none" };
  // Both under the same configuration: what the local runtime does for each binding is no part of this. Nor is the Worker that it binds.
  const { services: _, ...config } = parse(readFileSync("wrangler.api.toml", "utf8"));
  await luna.update({ workers: [{ config, secrets }] });
  await bare.update({ workers: [{ config: { ...config, main: "./bench/workers/bare.ts" }, secrets }] });
  try {
    const [{ url: at }, { url: bareAt }] = [await luna.listen(), await bare.listen()];
    await luna.getWorker("luna-api").applyD1Migrations("DB");
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
    const user = JSON.stringify({ userId: "ada", email: "ada@example.com" });
    await fetch(new URL("/api/users", at), { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: user });
    await fetch(new URL("/api/users/ada", at), { headers });
    const answer = await fetch(new URL("/api/users/ada", at), { headers });
    if (!answer.headers.get("Cache-Status")?.includes("detail=l1"))
      throw new Error(`not from memory: ${answer.headers.get("Cache-Status")}`);
    const same = Object.fromEntries([...answer.headers].filter(([name]) => !["content-length", "date", "connection"].includes(name)));
    await fetch(new URL("/", bareAt), { method: "PUT", headers: { "X-Headers": JSON.stringify(same) }, body: await answer.text() });

    const ratios: number[] = [];
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = -2; round < ROUNDS; round += 1) {
      const bareRate = await throughput(bareAt, "/api/users/ada", headers, ROUND_MS);
      const lunaRate = await throughput(at, "/api/users/ada", headers, ROUND_MS);
      if (round < 0) continue;
      ratios.push(lunaRate / bareRate);
      ours.push(lunaRate);
      theirs.push(bareRate);
    }
    return table(
      ["whole request, from memory", "a second", "of bare"],
      [
        ["bare Worker", median(theirs).toFixed(0), "1.00x"],
        ["GET /api/users/:id", median(ours).toFixed(0), `${median(ratios).toFixed(2)}x`],
      ],
    );
  } finally {
    await Promise.all([luna.close(), bare.close()]);
  }
}

function median(all: number[]): number {
  return all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
}
