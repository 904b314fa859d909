import { setTimeout as sleep } from "node:timers/promises";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { openDatabase } from "../../test/process/luna.ts";
import type { KilledLuna } from "./killed-luna.ts";
import { misbehaviours, Receiver } from "./receivers.ts";
import { none, quantile, seconds, type Row } from "./report.ts";

/**
 * Webhooks to twenty endpoints while Luna is killed every 20 seconds: half of the events while all
 * endpoints are well, half while five misbehave. One is paused all the time.
 */

const ENDPOINTS = 20;
const KILL_EVERY_MS = 20_000;
const SWEEP_EVERY_MS = 5_000;
/** One call accepts so many emails, each of which is an event. */
const EVENTS_PER_CALL = 25;
/** Less than one machine delivers, or the backlog would decide the delays. */
const CALL_EVERY_MS = 16_000;
/** How much longer the median of the others may take, before they count as delayed. */
const MAX_RATIO = 1.5;

export type WebhookRun = { luna: KilledLuna; stateDir: string; deliveries: number; key: string };

/** Kills until `over`. @param whileDown what happens while nothing runs */
async function killOften(
  luna: KilledLuna,
  over: AbortSignal,
  whileDown: () => void,
): Promise<void> {
  for (;;) {
    await sleep(KILL_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return;
    const start = await luna.kill();
    whileDown();
    await start();
    process.stdout.write(`killed and started again\n`);
  }
}

/** Recovers what a kill took, more often than each minute. */
async function sweeps(luna: KilledLuna, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await luna.call("POST", "/api/admin/scheduled-tasks/sweep-webhooks/run").catch(() => null);
    await sleep(SWEEP_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
  }
}

const isAccepted = ({ status }: { status: number }): boolean => status === 202;

/** Accepts emails of next month: each is one event, and none is sent. */
async function acceptEvents(luna: KilledLuna, count: number, key: string): Promise<string[]> {
  const ids: string[] = [];
  const sendAt = new Date(Date.now() + 20 * DAY_MS).toISOString();
  for (let from = 0; from < count; from += EVENTS_PER_CALL) {
    const emails = Array.from({ length: Math.min(EVENTS_PER_CALL, count - from) }, (_, n) => ({
      to: `n${from + n}@example.com`,
      subject: "Hi",
      text: "Hi",
      sendAt,
    }));
    const options = { body: { emails }, headers: { "Idempotency-Key": `${key}-${from}` } };
    const { items } = await luna.untilGood("POST", "/api/emails/batch", isAccepted, options);
    ids.push(...(items as { id: string }[]).map(({ id }) => id));
    await sleep(CALL_EVERY_MS);
  }
  return ids;
}

async function createEndpoints(luna: KilledLuna): Promise<{ ids: string[]; all: Receiver[] }> {
  const all = Array.from({ length: ENDPOINTS }, () => new Receiver());
  const ids: string[] = [];
  for (const receiver of all) {
    await receiver.listen();
    const body = { url: receiver.url, events: ["email.accepted"] };
    const { body: created } = await luna.call("POST", "/api/webhook-endpoints", body);
    receiver.secret = created.secret;
    ids.push(String(created.endpoint.id));
  }
  return { ids, all };
}

async function waitUntil(holds: () => boolean, text: () => string): Promise<void> {
  for (let n = 0; !holds(); n += 1) {
    if (n % 50 === 0) process.stdout.write(`${text()}\n`);
    await sleep(100);
  }
}

const missing = (receivers: readonly Receiver[], events: number): number =>
  receivers.reduce((sum, { taken }) => sum + events - taken.size, 0);

/** Each receiver has so many events. */
const arrived = async (receivers: readonly Receiver[], events: number): Promise<void> =>
  await waitUntil(
    () => missing(receivers, events) === 0,
    () => `${missing(receivers, events)} webhooks have not arrived`,
  );

/** The hours pass: what waits is due. */
function passTime(stateDir: string): void {
  const db = openDatabase(stateDir);
  db.exec("UPDATE deliveries SET due_at = 0 WHERE status = 'pending'");
  db.exec("UPDATE webhook_endpoints SET not_before = NULL");
  db.close();
}

/** From the event to its first arrival, without the time that Luna was down; ascending. */
function delaysOf(receivers: readonly Receiver[], { kills }: KilledLuna, since: number): number[] {
  const downMs = (from: number, until: number): number =>
    kills.reduce(
      (sum, { at, readyAt }) => sum + Math.max(Math.min(readyAt, until) - Math.max(at, from), 0),
      0,
    );
  return receivers
    .flatMap(({ taken }) => [...taken.values()].filter(({ eventAt }) => eventAt >= since))
    .map(({ at, eventAt }) => Math.max(at - eventAt - downMs(eventAt, at), 0))
    .toSorted((a, b) => a - b);
}

const figures = (delays: number[]): string =>
  [0.5, 0.95, 1].map((part) => seconds(quantile(delays, part))).join(", ");

export async function runWebhooks(run: WebhookRun): Promise<{ rows: Row[]; broken: string[] }> {
  const { luna, stateDir, deliveries, key } = run;
  await luna.start();
  const { ids, all } = await createEndpoints(luna);
  const [paused] = all.slice(-1);
  const bad = all.slice(0, misbehaviours.length);
  const well = all.slice(misbehaviours.length, -1);
  await luna.call("POST", `/api/webhook-endpoints/${ids.at(-1)}/pause`);
  const over = new AbortController();
  let isRepaired = false;
  const beside = Promise.all([
    killOften(luna, over.signal, () => isRepaired && passTime(stateDir)),
    sweeps(luna, over.signal),
  ]);
  const half = Math.ceil(deliveries / ENDPOINTS / 2);

  await acceptEvents(luna, half, `${key}-well`);
  await arrived([...bad, ...well], half);
  const before = delaysOf(well, luna, 0);

  for (const [n, how] of misbehaviours.entries()) await bad[n]?.misbehave(how);
  const since = Date.now();
  await acceptEvents(luna, half, `${key}-bad`);
  await arrived(well, 2 * half);
  const meanwhile = delaysOf(well, luna, since);

  for (const receiver of bad) await receiver.repair();
  isRepaired = true;
  await arrived(bad, 2 * half);
  over.abort();
  await beside;
  await luna.stop();
  await Promise.all(all.map((receiver) => receiver.close()));

  const ratio = quantile(meanwhile, 0.5) / Math.max(quantile(before, 0.5), 1);
  const taken = [...bad, ...well].reduce((sum, receiver) => sum + receiver.taken.size, 0);
  const lost = (ENDPOINTS - 1) * 2 * half - taken;
  const toPaused = Array.from({ length: paused?.requests ?? 0 }, () => "a call of the paused one");
  const calls = all.reduce((sum, { requests }) => sum + requests, 0);
  const rows: Row[] = [
    { name: "webhooks not delivered", required: "0", measured: String(lost), holds: lost === 0 },
    none("calls of the paused endpoint", toPaused),
    { name: "delivered, in calls", measured: `${taken}, ${calls}` },
    { name: "delay while all are well: median, 95 %, longest", measured: figures(before) },
    { name: "delay of the others beside the five", measured: figures(meanwhile) },
    {
      name: "  median, over that while all are well",
      required: `<= ${MAX_RATIO}x`,
      measured: `${ratio.toFixed(2)}x`,
      holds: ratio <= MAX_RATIO,
    },
  ];
  return { rows, broken: toPaused };
}
