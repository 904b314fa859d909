import { countTransaction } from "../../shared/database/transactions.ts";
import { parseDeadLetter, rawText, type EmailSend } from "../../shared/email/queue-messages.ts";
import { deadLetterRetentionDays } from "../../shared/email/settings.ts";
import {
  bury,
  buryPoison,
  type Grave,
  type PoisonLetter,
} from "../../shared/email/sql/dead-letters.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ConsumerEnv } from "../env.ts";
import { accept } from "./accept.ts";

/**
 * A queue keeps a message for four days: with an hour between its retries those hundred that
 * wrangler.consumer.toml allows last for as long...
 */
const SEND_RETRY_SECONDS = 3_600;
/** ...and before they end it is buried, lest it is deleted. */
const LAST_SEND_ATTEMPT = 90;

type Letter =
  | { kind: "bury"; grave: Grave }
  | { kind: "send"; send: EmailSend }
  | { kind: "doorbell"; emailId: string }
  | { kind: "poison"; letter: PoisonLetter };

/**
 * Consumes the dead-letter queue. A letter is acknowledged only when D1 holds it: the queue is
 * never the only copy.
 */
export async function buryBatch(batch: MessageBatch, env: ConsumerEnv): Promise<void> {
  const days = retentionDays(env);
  const now = Date.now();
  const graves: { message: Message; grave: Grave }[] = [];
  for (const message of batch.messages) {
    const letter = readLetter(message);
    switch (letter.kind) {
      case "doorbell":
        // The runtime gave up ringing. The row is still due, and the sweeper rings for it.
        log("warn", "dead_letter.doorbell", { emailId: letter.emailId });
        message.ack();
        break;
      case "bury":
        graves.push({ message, grave: letter.grave });
        break;
      case "send": {
        const giveUp = (reason: string) =>
          settleMessages([message], () =>
            buryPoison(env.DB, poisonLetter(message, reason, message.body), days, now),
          );
        // The runtime gave it up, while D1 was down or a variable was missing: it is accepted now,
        // or waits here until it can be.
        await accept(message, letter.send, env, giveUp, () =>
          message.attempts < LAST_SEND_ATTEMPT
            ? message.retry({ delaySeconds: SEND_RETRY_SECONDS })
            : giveUp("could not be accepted for days: D1 was down, or a variable was missing"),
        );
        break;
      }
      case "poison":
        await settleMessages([message], () => buryPoison(env.DB, letter.letter, days, now));
        break;
    }
  }
  if (graves.length === 0) return;
  await settleMessages(
    graves.map(({ message }) => message),
    () =>
      bury(
        env.DB,
        graves.map(({ grave }) => grave),
        days,
        now,
      ),
  );
}

/**
 * A bad variable must not keep dead letters from being recorded: they would be deleted with their
 * queue's last retry.
 */
function retentionDays(env: ConsumerEnv): number {
  const days = deadLetterRetentionDays(env);
  if (days.ok) return days.value;
  log("error", "dead_letter.misconfigured", {
    variable: days.error.variable,
    problem: days.error.message,
  });
  return DEFAULT_RETENTION_DAYS;
}

const DEFAULT_RETENTION_DAYS = 7;

async function settleMessages(messages: Message[], write: () => Promise<void>): Promise<void> {
  try {
    await write();
    countTransaction("committed");
    for (const message of messages) message.ack();
  } catch (error) {
    countTransaction("failed");
    log("error", "dead_letter.bury_failed", { messages: messages.length, ...describeError(error) });
    for (const message of messages) message.retry();
  }
}

function readLetter(message: Message): Letter {
  const parsed = parseDeadLetter(message.body);
  if (!parsed.success) {
    return {
      kind: "poison",
      letter: poisonLetter(message, "not a message of this queue", message.body),
    };
  }
  const body = parsed.output;
  if (!("type" in body)) return { kind: "doorbell", emailId: body.emailId };
  switch (body.type) {
    case "email.send":
      return { kind: "send", send: body };
    case "bury":
      return { kind: "bury", grave: { id: body.emailId, generation: body.generation } };
    case "poison":
      return {
        kind: "poison",
        letter: {
          messageId: message.id,
          reason: body.reason,
          rawBody: body.raw,
          attempts: message.attempts,
        },
      };
  }
}

function poisonLetter(message: Message, reason: string, body: unknown): PoisonLetter {
  return { messageId: message.id, reason, rawBody: rawText(body), attempts: message.attempts };
}
