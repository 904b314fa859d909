import type { Outbox } from "../email/outbox.ts";
import type { EmailVariables } from "../email/settings.ts";
import { sendSystemEmails } from "../email/system-emails.ts";
import { fanOutWaiting, notifyEndpoints, type WebhookQueuesEnv } from "./notify.ts";
import { unanswered } from "./rules/answer.ts";
import { settleDelivery } from "./rules/delivery.ts";
import { speedOf } from "./rules/health.ts";
import { OPERATOR_TENANT } from "./rules/subscriptions.ts";
import {
  endDeleted,
  expiredDeliveries,
  markOwnersNotified,
  pausedEndpoints,
  recordExpired,
  waitingTargets,
  type PausedEndpoint,
  type WaitingTarget,
} from "./sql/waiting.ts";

/** Rows of each kind in one page. The next minute takes what is left. */
const LIMIT = 1_000;
const PAGES = 10;
/** Before the id of each endpoint, and after the ids of other receivers of deliveries. */
const BEFORE_ENDPOINTS = "we_";
/** If a delivery to a healthy endpoint waits for longer, delivery has stopped. */
const LATE_MS = 300_000;

export type WebhooksSwept = {
  fannedOut: number;
  released: number;
  notified: number;
  late: number;
};

/**
 * Recovers what a crash or a lost message left behind: events that wait, leases that ran out, and
 * endpoints with something due. Safe to run twice and beside anything else.
 */
export async function sweepWebhooks(
  env: WebhookQueuesEnv,
  now: number,
  random: () => number,
): Promise<WebhooksSwept> {
  const fannedOut = await fanOutWaiting(env, now, PAGES);
  const expired = await expiredDeliveries(env.DB, now, LIMIT);
  const outcome = unanswered("lease-expired");
  const recorded = expired.map(({ id, token, log, ...life }) => ({
    id,
    token,
    settled: settleDelivery(life, outcome, { now, random: random() }),
    log: [...log, { at: now, tookMs: 0, outcome: "lease-expired" }].slice(-10),
  }));
  await recordExpired(env.DB, recorded, now);
  const waiting: WaitingTarget[] = [];
  for (let page = 0; page < PAGES; page += 1) {
    const found = await waitingTargets(env.DB, waiting.at(-1)?.target ?? BEFORE_ENDPOINTS, LIMIT);
    waiting.push(...found);
    if (found.length < LIMIT) break;
  }
  for (const { target, failures } of waiting)
    if (failures === null) await endDeleted(env.DB, target, now, LIMIT);
  const due = waiting.flatMap((one) => {
    const { target, failures, slow, isPaused, dueAt } = one;
    if (failures === null || isPaused === 1 || dueAt > now) return [];
    return [{ id: target, speed: speedOf({ failures, slow: slow === 1 }), dueAt, failures }];
  });
  await notifyEndpoints(env, due);
  const late = due.filter(({ dueAt, failures }) => failures === 0 && now - dueAt > LATE_MS).length;
  return { fannedOut, released: expired.length, notified: due.length, late };
}

const texts = {
  failing: "It has not taken a call for five days.",
  gone: "It answered 410 Gone, so it wants no more.",
  requested: "",
};

/**
 * Notifies the owners of endpoints that Luna paused: a user at their address, the operator at
 * `ALERT_EMAIL`.
 *
 * @returns how many
 */
export async function notifyOwners(
  outbox: Outbox,
  env: EmailVariables & { ALERT_EMAIL?: string | undefined },
  now: number,
): Promise<number> {
  const paused = await pausedEndpoints(outbox.db, 100);
  if (paused.length === 0) return 0;
  const addressed = paused.map((endpoint) => ({ endpoint, to: addressOf(endpoint, env) }));
  const emails = addressed.flatMap(({ endpoint, to }) =>
    to === null ? [] : [emailFor(endpoint, to)],
  );
  const sent = await sendSystemEmails(outbox, env, emails, now);
  const settled = new Set([...sent.accepted, ...sent.suppressed]);
  const done = addressed
    .filter(({ endpoint, to }) => to === null || settled.has(keyOf(endpoint)))
    .map(({ endpoint }) => endpoint.id);
  await markOwnersNotified(outbox.db, done);
  return done.length;
}

const keyOf = ({ id, pausedAt }: PausedEndpoint): string => `webhook-paused:${id}:${pausedAt}`;

function addressOf(
  { tenant, email }: PausedEndpoint,
  env: { ALERT_EMAIL?: string | undefined },
): string | null {
  return tenant === OPERATOR_TENANT ? env.ALERT_EMAIL || null : email;
}

function emailFor(endpoint: PausedEndpoint, to: string): { key: string; email: unknown } {
  const { origin } = new URL(endpoint.url);
  const text = [
    `The webhook endpoint ${endpoint.id} at ${origin} is paused. ${texts[endpoint.because]}`,
    "Its events wait for up to 30 days.",
    `Once it works again, resume it: POST /api/webhook-endpoints/${endpoint.id}/resume`,
  ].join("\n\n");
  return { key: keyOf(endpoint), email: { to, subject: `Webhooks to ${origin} are paused`, text } };
}
