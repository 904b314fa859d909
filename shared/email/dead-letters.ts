import { countTransaction } from "../database/transactions.ts";
import { describeError, log } from "../lib/worker/log.ts";
import type { Outbox } from "./outbox.ts";
import { acceptQueued } from "./producers.ts";
import { parseDeadLetter, rawText, type EmailSend } from "./queue-messages.ts";
import { deadLetterRetentionDays, defaultRetentionDays, type EmailVariables } from "./settings.ts";
import { recordDeadLetters, type DeadEmail } from "./sql/dead-letters.ts";
import { recordPoison, type PoisonMessage } from "./sql/poison.ts";

/** A message of the dead-letter queue. `attempts`: how often it was delivered. */
export type DeadMessage = { id: string; body: unknown; attempts: number };

export type Disposition = { do: "acknowledge" } | { do: "retry"; delaySeconds?: number };

/**
 * A queue keeps a message for four days. With an hour between its retries, the hundred that
 * `wrangler.consumer.toml` allows last for as long.
 */
const SEND_RETRY_SECONDS = 3_600;
/** Before the retries are used up the message becomes a dead letter: otherwise it is deleted. */
const LAST_SEND_ATTEMPT = 90;

type Content =
  | { kind: "email"; email: DeadEmail }
  | { kind: "send"; send: EmailSend }
  | { kind: "notification"; emailId: string }
  | { kind: "poison"; poison: PoisonMessage };

/**
 * Records what arrives on the dead-letter queue. A message is acknowledged only once D1 holds its
 * content: the queue is never the only copy.
 *
 * @returns what to do with each message, in their order
 */
export async function takeDeadLetters(
  outbox: Outbox,
  env: EmailVariables,
  messages: DeadMessage[],
  now: number,
): Promise<Disposition[]> {
  const { db } = outbox;
  const days = retentionDays(env);
  const contents = messages.map(contentOf);
  const emails = contents.flatMap((content) => (content.kind === "email" ? [content.email] : []));
  const keep = (poison: PoisonMessage): Promise<Disposition> =>
    recorded(1, () => recordPoison(db, poison, days, now));

  const dispositions: (Disposition | null)[] = [];
  for (const [place, content] of contents.entries()) {
    switch (content.kind) {
      case "notification":
        // The queue gave up. The email is still due, and the sweeper notifies again.
        log("warn", "dead_letter.notification", { emailId: content.emailId });
        dispositions.push({ do: "acknowledge" });
        break;
      case "email":
        dispositions.push(null);
        break;
      case "send": {
        const message = messages[place];
        dispositions.push(
          message === undefined
            ? null
            : await acceptLate({ outbox, env, message, keep, send: content.send }),
        );
        break;
      }
      case "poison":
        dispositions.push(await keep(content.poison));
        break;
    }
  }
  const ofEmails =
    emails.length === 0
      ? null
      : await recorded(emails.length, () => recordDeadLetters(db, emails, days, now));
  return dispositions.map((disposition) => disposition ?? ofEmails ?? { do: "retry" });
}

type LateSend = {
  outbox: Outbox;
  env: EmailVariables;
  message: DeadMessage;
  send: EmailSend;
  keep: (poison: PoisonMessage) => Promise<Disposition>;
};

/**
 * The queue gave up an email that a producer sent, while D1 was down or a variable was missing. It
 * is accepted now, or waits here until it can be.
 */
async function acceptLate({ outbox, env, message, send, keep }: LateSend): Promise<Disposition> {
  const accepted = await acceptQueued(outbox, env, send);
  switch (accepted.do) {
    case "acknowledge":
      return accepted;
    case "refuse":
      return await keep(poisonOf(message, accepted.reason));
    case "retry":
      return message.attempts < LAST_SEND_ATTEMPT
        ? { do: "retry", delaySeconds: SEND_RETRY_SECONDS }
        : await keep(
            poisonOf(
              message,
              "could not be accepted for days: D1 was down, or a variable was missing",
            ),
          );
  }
}

/**
 * A bad variable must not keep dead letters from being recorded: they would be deleted with their
 * queue's last retry.
 */
function retentionDays(env: EmailVariables): number {
  const days = deadLetterRetentionDays(env);
  if (days.ok) return days.value;
  log("error", "dead_letter.misconfigured", {
    variable: days.error.variable,
    problem: days.error.message,
  });
  return defaultRetentionDays;
}

async function recorded(messages: number, write: () => Promise<void>): Promise<Disposition> {
  try {
    await write();
    countTransaction("committed");
    return { do: "acknowledge" };
  } catch (error) {
    countTransaction("failed");
    log("error", "dead_letter.record_failed", { messages, ...describeError(error) });
    return { do: "retry" };
  }
}

function contentOf(message: DeadMessage): Content {
  const parsed = parseDeadLetter(message.body);
  if (!parsed.success)
    return { kind: "poison", poison: poisonOf(message, "not a message of this queue") };
  const body = parsed.output;
  if (!("type" in body)) return { kind: "notification", emailId: body.emailId };
  switch (body.type) {
    case "email.send":
      return { kind: "send", send: body };
    case "bury":
      return { kind: "email", email: { id: body.emailId, generation: body.generation } };
    case "poison":
      return { kind: "poison", poison: { ...poisonOf(message, body.reason), rawBody: body.raw } };
  }
}

function poisonOf({ id, body, attempts }: DeadMessage, reason: string): PoisonMessage {
  return { messageId: id, reason, rawBody: rawText(body), attempts };
}
