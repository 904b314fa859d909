import { setTimeout as sleep } from "node:timers/promises";
import { lockStore } from "../../scripts/demo/break.ts";
import type { KilledLuna } from "./killed-luna.ts";
import type { MailServer } from "./mail-server.ts";

/** What fails, one outage after the other. */

/** Each store's files are locked: then no write to it succeeds. */
const STORES = {
  KV: "kv",
  "the tag index": "do/luna-api-CacheTagIndex",
  "the circuit breakers": "do/luna-api-CircuitBreaker",
  telemetry: "do/luna-api-Telemetry",
  "the watchdog": "do/luna-api-TaskWatchdog",
  D1: "d1",
} as const;

type OutageName = keyof typeof STORES | "the mail server" | "Luna (SIGKILL)";
/** D1 works again, and its breaker, which opens for 30 seconds, has not closed yet. */
export const BREAKER_OF_D1 = "the breaker of D1";
/** `forMs` is 0 for a SIGKILL: Luna is started again at once. */
export type Outage = { name: OutageName; atMs: number; forMs: number };
export type Target = { stateDir: string; luna: KilledLuna; mailServer: MailServer };

const IN_TURN: OutageName[] = [
  "KV",
  "the tag index",
  "the circuit breakers",
  "Luna (SIGKILL)",
  "telemetry",
  "the watchdog",
  "the mail server",
  "D1",
  "Luna (SIGKILL)",
];
/** The part of its time that an outage lasts. Before it everything works. */
const OUTAGE_SHARE = 0.4;
const KILL_EVERY_MS = 30_000;

/** Each part once and two SIGKILLs, spread over the run. */
export function partsInTurn(minutes: number): Outage[] {
  const each = (minutes * 60_000) / IN_TURN.length;
  return IN_TURN.map((name, n) => ({
    name,
    atMs: (n + 1 - OUTAGE_SHARE) * each,
    forMs: name === "Luna (SIGKILL)" ? 0 : OUTAGE_SHARE * each,
  }));
}

/** A SIGKILL every 30 seconds. */
export function killsOnly(minutes: number): Outage[] {
  return Array.from({ length: (minutes * 60_000) / KILL_EVERY_MS }, (_, n) => ({
    name: "Luna (SIGKILL)",
    atMs: (n + 1) * KILL_EVERY_MS,
    forMs: 0,
  }));
}

/** @returns what ends it */
async function begin(name: OutageName, target: Target): Promise<() => Promise<void>> {
  if (name === "Luna (SIGKILL)") return await target.luna.kill();
  if (name === "the mail server") return await target.mailServer.goDown();
  const broken = lockStore(target.stateDir, STORES[name]);
  return () => broken.restore();
}

/**
 * Runs a plan until it ends or `over` is aborted. An outage that has begun is always ended.
 *
 * @param onChange gets the name of each outage before it begins, and after it "none", or what still
 *   lasts
 */
export async function runOutages(
  plan: Outage[],
  target: Target,
  onChange: (name: string) => void,
  over: AbortSignal,
): Promise<void> {
  const wait = async (ms: number): Promise<void> => {
    await sleep(Math.max(ms, 0), undefined, { signal: over }).catch(() => undefined);
  };
  let last = "none";
  const change = (next: string): void => onChange((last = next));
  const awaitBreaker = async (): Promise<void> => {
    await closed(target.luna);
    if (last === BREAKER_OF_D1) change("none");
  };
  const startedAt = Date.now();
  for (const { name, atMs, forMs } of plan) {
    await wait(startedAt + atMs - Date.now());
    if (over.aborted) return;
    const at = Date.now();
    change(name);
    process.stdout.write(`outage: ${name}\n`);
    const end = await begin(name, target);
    await wait(forMs);
    await end();
    process.stdout.write(`over after ${((Date.now() - at) / 1_000).toFixed(1)} s: ${name}\n`);
    change(name === "D1" ? BREAKER_OF_D1 : "none");
    if (name === "D1") void awaitBreaker();
  }
}

/** Waits until the breaker of D1 is closed. */
async function closed(luna: KilledLuna): Promise<void> {
  await luna.untilGood("GET", "/api/admin/circuit-breakers/database", ({ status, body }) => {
    return status === 200 && body.state === "CLOSED";
  });
}
