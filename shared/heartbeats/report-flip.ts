import { alertChannels, type AlertEnv } from "../alerts/channels.ts";
import { severitiesFrom, severityOf } from "../alerts/rules/severity.ts";
import { alertSettings, type AlertVariables } from "../alerts/settings.ts";
import { markKeyNotified } from "../alerts/sql/alerts.ts";
import { deliverNotices, recordConditions } from "../alerts/watch.ts";
import { ADMIN_TENANT } from "../email/outbox.ts";
import { sendSystemEmails } from "../email/system-emails.ts";
import { log } from "../lib/worker/log.ts";
import { counters } from "../telemetry/counters.ts";
import type { Flip } from "./rules/heartbeat.ts";
import type { HeartbeatDefinition } from "./rules/rpc.ts";
import { recordFlip } from "./sql/heartbeats.ts";
import type { StoredFlip } from "./stored-heartbeat.ts";

/** Who is notified of a flip, and how. */

export type ReportEnv = AlertEnv & AlertVariables;

export const alertKeyOf = (id: string): string => `heartbeat:${id}`;

const texts: Record<Flip["because"], string> = {
  late: "is down: no ping came in time",
  overran: "is down: a run began and did not end in time",
  failed: "is down: it reported a failure",
  recovered: "is up again",
  paused: "is paused",
};

const flipText = (name: string, { because }: Flip): string =>
  `the heartbeat ${name} ${texts[because]}`;

type Reported = StoredFlip & { definition: Pick<HeartbeatDefinition, "id" | "name"> };

/**
 * Records a flip in D1, with its event, and notifies its owner: the operator through the channels
 * of alerts, a tenant by email. Safe to repeat.
 *
 * @throws Error while D1 does not answer
 */
export async function reportFlip(
  env: ReportEnv,
  { definition: { id, name }, n, flip, isNotified }: Reported,
  clock: () => number,
): Promise<void> {
  const owner = await recordFlip(env.DB, { id, n, flip });
  if (owner === null) return;
  const now = clock();
  if (owner.tenant === ADMIN_TENANT) {
    const key = alertKeyOf(id);
    const text = flipText(name, flip);
    const condition = { key, holds: flip.to === "down", forMs: 0, summary: text };
    const over = flip.to === "up" ? { resolvedReason: text } : {};
    // Its own grace has passed, so nothing waits here.
    const options = { now, newId: () => crypto.randomUUID(), recoveryMs: 0 };
    await recordConditions(env.DB, [{ ...condition, ...over }], options);
    if (isNotified) await markKeyNotified(env.DB, key, now);
    const settings = alertSettings(env);
    await deliverNotices(env.DB, alertChannels(env, settings), clock, settings.least);
  } else if (owner.email !== null) await emailOwner(env, { id, name, n, flip }, owner.email, now);
}

type Told = { id: string; name: string; n: number; flip: Flip };

async function emailOwner(
  env: ReportEnv,
  { id, name, n, flip }: Told,
  to: string,
  now: number,
): Promise<void> {
  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const state = flip.to === "down" ? "down" : flip.because === "paused" ? "paused" : "up again";
  const text = [
    `${flipText(name, flip).replace(/^t/, "T")}.`,
    `Since ${new Date(flip.at).toISOString()}, ${id}`,
  ].join("\n\n");
  const key = `heartbeat:${id}:${n}`;
  const email = { to, subject: `The heartbeat ${name} is ${state}`, text };
  const sent = await sendSystemEmails(outbox, env, [{ key, email }], now);
  if (sent.refused.length > 0) log("error", "heartbeat.email_refused", { heartbeatId: id });
  else if (sent.accepted.length + sent.suppressed.length === 0)
    throw new Error("the email was not accepted");
}

/**
 * Notifies the operator's webhook without D1, if it takes notices as urgent as this one.
 *
 * @returns whether it took the notice
 */
export async function notifyWithoutDatabase(
  env: ReportEnv,
  { definition: { id, name }, n, flip }: Omit<Reported, "isNotified">,
): Promise<boolean> {
  const settings = alertSettings(env);
  const notify = alertChannels(env, settings).webhook;
  const key = alertKeyOf(id);
  const isTaken = severitiesFrom(settings.least.webhook).includes(severityOf(key));
  if (notify === undefined || !isTaken) return false;
  try {
    await notify({
      id: `heartbeat:${id}:${n}`,
      key,
      kind: flip.to === "down" ? "fired" : "recovered",
      summary: flipText(name, flip),
      at: flip.at,
    });
    counters.count("luna_alerts_sent_total", { channel: "webhook" });
    return true;
  } catch {
    counters.count("luna_alert_failures_total", { channel: "webhook" });
    log("error", "heartbeat.webhook_failed", { heartbeatId: id });
    return false;
  }
}
