import { acceptProduced, isWorthARetry, refusalOf } from "../../shared/email/producers.ts";
import type { EmailSend } from "../../shared/email/queue-messages.ts";
import { log } from "../../shared/lib/worker/log.ts";
import { newTraceId, traced, traceIdOf } from "../../shared/lib/worker/trace.ts";
import type { ConsumerEnv } from "../env.ts";

/**
 * Accepts a mail that another Worker put on the queue. The message is acknowledged when D1 has the
 * mail; while D1 does not answer it is retried, which its key makes safe; what is refused for good
 * becomes a dead letter that says why.
 *
 * @param refuse keeps the message for people, and acknowledges it then
 * @param later what becomes of one that could be accepted later
 */
export async function accept(
  message: Message,
  produced: EmailSend,
  env: ConsumerEnv,
  refuse: (reason: string) => Promise<void>,
  later: () => Promise<void> | void = () => message.retry(),
): Promise<void> {
  const traceId = traceIdOf(produced.traceparent ?? "") ?? newTraceId();
  await traced({ traceId }, () => acceptTraced(message, produced, env, refuse, later));
}

async function acceptTraced(
  message: Message,
  { idempotencyKey, message: mail }: EmailSend,
  env: ConsumerEnv,
  refuse: (reason: string) => Promise<void>,
  later: () => Promise<void> | void,
): Promise<void> {
  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const accepted = await acceptProduced(outbox, env, mail, idempotencyKey, Date.now());
  if (accepted.ok) {
    log("info", "producer.accepted", {
      emailId: accepted.value.id,
      replayed: accepted.value.replayed,
    });
    message.ack();
  } else if (isWorthARetry(accepted.error)) {
    log("warn", "producer.retried", { problem: accepted.error.tag });
    await later();
  } else {
    log("warn", "producer.refused", { problem: accepted.error.tag });
    await refuse(refusalOf(accepted.error));
  }
}
