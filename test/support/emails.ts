import type { QueueMessage } from "../../shared/email/queue-messages.ts";
import type { Settlement } from "../../shared/email/rules/lifecycle.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import type { WaitLimits } from "../../shared/email/rules/waits.ts";
import { insertEmail, type NewEmail } from "../../shared/email/sql/accept.ts";
import { recordAndMarkSending } from "../../shared/email/sql/delivery.ts";
import type { GuardedTransport, Transport } from "../../shared/email/transports/transport.ts";

/** Emails in a real D1, for tests inside workerd. */

export const detail = { transport: "test", phase: "DATA", text: "by the test" };
export const accepted: Outcome = { kind: "accepted", detail };
export const refused: Outcome = { kind: "refused_transient", detail };
/** As by default. */
export const waitLimits: WaitLimits = { retryWindowMs: 24 * 3_600_000, maxWaitMs: 120 * 3_600_000 };
export const refusedForGood: Outcome = { kind: "refused_permanent", detail };

/** A scripted transport, behind a breaker that is closed. */
export function fakeTransport(
  send: Transport["send"],
  changes: Partial<GuardedTransport> = {},
): GuardedTransport {
  return {
    name: "smtp",
    everyMs: null,
    deadlineMs: 30_000,
    send,
    refresh: async () => undefined,
    admission: () => ({ do: "allow" }),
    ...changes,
  };
}

let next = 0;

export async function queueEmail(
  db: D1Database,
  now: number,
  fields: Partial<
    Pick<
      NewEmail,
      "id" | "onUnknown" | "sendAt" | "tenant" | "to" | "recipients" | "category" | "text" | "test"
    >
  > = {},
): Promise<string> {
  next += 1;
  const id = fields.id ?? `email-${next}`;
  const email = {
    id,
    tenant: "admin",
    from: "Luna <hello@luna.example>",
    to: "ada@example.com",
    subject: "Hi",
    text: "Hi",
  };
  await db.batch(
    insertEmail(db, { ...email, ...fields, onUnknown: fields.onUnknown ?? "hold" }, now),
  );
  return id;
}

/** Marks claimed emails as being handed over. */
export async function markSending(
  db: D1Database,
  token: string,
  ids: string[],
  { now, leaseExpiresAt }: { now: number; leaseExpiresAt: number },
): Promise<void> {
  const transport: TransportName = "smtp";
  const marks = ids.map((id) => ({ id, transport, failover: null }));
  await recordAndMarkSending(db, {
    token,
    settled: [],
    marks,
    reservations: [],
    now,
    leaseExpiresAt,
  });
}

/** Records what became of an email under its lease. */
export async function record(
  db: D1Database,
  token: string,
  { id, settlement, now }: { id: string; settlement: Settlement; now: number },
): Promise<void> {
  const settled = [{ id, generation: 1, settlement, detail }];
  await recordAndMarkSending(db, {
    token,
    settled,
    marks: [],
    reservations: [],
    now,
    leaseExpiresAt: now,
  });
}

export type EmailRow = {
  status: string;
  attempts: number;
  generation: number;
  due_at: number;
  ring_after: number;
  rings: number;
  lease_token: string | null;
  transport: string | null;
  dead_reason: string | null;
  wait_class: string | null;
  waits: number;
  waiting_since: number | null;
  waits_from: number | null;
  buried_at: number | null;
};

export async function emailRow(db: D1Database, id: string): Promise<EmailRow> {
  const row = await db.prepare("SELECT * FROM emails WHERE id = ?").bind(id).first<EmailRow>();
  if (row === null) throw new Error(`no email ${id}`);
  return row;
}

export async function eventTypes(db: D1Database, id: string): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT type FROM email_events WHERE email_id = ? ORDER BY n")
    .bind(id)
    .all<{ type: string }>();
  return results.map((event) => event.type);
}

export const notification = (id: string, generation = 1) => ({
  v: 1 as const,
  emailId: id,
  generation,
});

/** A queue that remembers what was sent to it, or refuses. */
export function fakeQueue(refuses = false) {
  const sent: { body: QueueMessage; delaySeconds?: number }[] = [];
  const sendBatch = async (messages: Iterable<MessageSendRequest<QueueMessage>>): Promise<void> => {
    if (refuses) throw new Error("the queue is down");
    for (const { body, delaySeconds } of messages)
      sent.push(delaySeconds === undefined ? { body } : { body, delaySeconds });
  };
  const send = (body: QueueMessage): Promise<void> => sendBatch([{ body }]);
  return { sent, queue: { send, sendBatch } as unknown as Queue<QueueMessage> };
}
