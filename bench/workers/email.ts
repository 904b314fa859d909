import { waitUntil } from "cloudflare:workers";
import { acceptEmails } from "../../shared/email/outbox.ts";
import { notificationFor } from "../../shared/email/queue-messages.ts";
import { submissionOf } from "../../shared/email/submission.ts";
import { noTemplates } from "../../shared/email/templates/named.ts";
import { deliverBatch } from "../../workers/consumer/deliver.ts";
import type { ConsumerEnv } from "../../workers/env.ts";
import { CountedDatabase } from "../counted-database.ts";
import {
  acceptPlainly,
  deliverPlainly,
  insertBarely,
  sendPlainly,
  straightforwardTable,
  type PlainEmail,
} from "../straightforward-mailer.ts";
export { CircuitBreaker } from "../../shared/lib/circuit-breaker/object/object.ts";

export type EmailBenchReply = {
  emails: number;
  acceptMs: number;
  acceptTrips: number;
  deliverMs: number;
  deliverTrips: number;
};

type Way = {
  /**
   * Stores emails and queues a notification of each; the queue has no consumer here. @returns their
   * ids
   */
  accept(env: ConsumerEnv, emails: PlainEmail[]): Promise<string[]>;
  /** Takes one queue batch. */
  deliver(env: ConsumerEnv, ids: string[]): Promise<void>;
};

const emailFor = (n: number | string): PlainEmail => ({
  to: `n${n}@example.com`,
  subject: "Your receipt",
  text: "Thank you for your order.",
});
const AT_ONCE = 5;

const ways: Record<string, Way> = {
  luna: { accept: acceptByLuna, deliver: (env, ids) => deliverBatch(queueBatch(ids), env) },
  straightforward: { accept: acceptPlainly, deliver: (env, ids) => deliverPlainly(env, ids, 1) },
  "bare INSERT": { accept: insertBarely, deliver: async () => undefined },
  "straightforward, 5 at once": {
    accept: acceptPlainly,
    deliver: (env, ids) => deliverPlainly(env, ids, AT_ONCE),
  },
  "SMTP alone, 5 at once": {
    accept: async (_env, emails) => emails.map((_email, n) => String(n)),
    deliver: sendOnly,
  },
};

async function acceptByLuna(env: ConsumerEnv, emails: PlainEmail[]): Promise<string[]> {
  const now = Date.now();
  const submissions = emails.map((email) => {
    const submission = submissionOf(
      env,
      email,
      { tenant: "bench", idempotencyKey: crypto.randomUUID() },
      { now, templates: noTemplates },
    );
    if (!submission.ok) throw new Error(JSON.stringify(submission.error));
    return submission.value;
  });
  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE, background: waitUntil };
  const accepted = await acceptEmails(outbox, submissions, now);
  return accepted.map((email) => {
    if (!email.ok) throw new Error(JSON.stringify(email.error));
    return email.value.id;
  });
}

async function sendOnly(env: ConsumerEnv, ids: string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += AT_ONCE) {
    await Promise.all(
      ids.slice(start, start + AT_ONCE).map((id) => sendPlainly(env, emailFor(id))),
    );
  }
}

const refuse = (): never => {
  throw new Error("nothing may be retried here");
};

function queueBatch(ids: string[]): MessageBatch {
  const messages = ids.map((id) => ({
    id,
    timestamp: new Date(),
    body: notificationFor({ id, generation: 1 }),
    attempts: 1,
    ack: () => undefined,
    retry: refuse,
  }));
  const metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } };
  return { queue: "luna-email", messages, metadata, ackAll: () => undefined, retryAll: refuse };
}

/**
 * `/?way=luna&size=10&emails=200`: accepts, then delivers that many emails, `size` at a time.
 * `&only=accept`: delivers none. `&away=20`: D1 is so many milliseconds away.
 */
export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url);
    const way = ways[searchParams.get("way") ?? ""];
    const [size, count] = [Number(searchParams.get("size")), Number(searchParams.get("emails"))];
    if (way === undefined) return new Response("no such way", { status: 404 });
    await env.DB.prepare(straightforwardTable).run();
    const away = Number(searchParams.get("away") ?? 0);
    const [accepting, delivering] = [
      new CountedDatabase(env.DB, away),
      new CountedDatabase(env.DB, away),
    ];

    const groups = Array.from({ length: count / size }, (_, group) =>
      Array.from({ length: size }, (_email, n) => emailFor(group * size + n)),
    );
    const startedAt = performance.now();
    const batches: string[][] = [];
    for (const group of groups) batches.push(await way.accept({ ...env, DB: accepting.db }, group));
    const acceptedAt = performance.now();
    const toDeliver = searchParams.get("only") === "accept" ? [] : batches;
    for (const ids of toDeliver) await way.deliver({ ...env, DB: delivering.db }, ids);
    return Response.json({
      emails: count,
      acceptMs: acceptedAt - startedAt,
      acceptTrips: accepting.roundTrips,
      deliverMs: performance.now() - acceptedAt,
      deliverTrips: delivering.roundTrips,
    } satisfies EmailBenchReply);
  },
} satisfies ExportedHandler<ConsumerEnv>;
