import { takeDeadLetters } from "../../shared/email/dead-letters.ts";
import type { ConsumerEnv } from "../env.ts";

/** Consumes the dead-letter queue. */
export async function deadLetterBatch({ messages }: MessageBatch, env: ConsumerEnv): Promise<void> {
  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const dispositions = await takeDeadLetters(outbox, env, [...messages], Date.now());
  for (const [place, message] of messages.entries()) {
    const disposition = dispositions[place];
    if (disposition?.do === "acknowledge") message.ack();
    else if (disposition?.delaySeconds === undefined) message.retry();
    else message.retry({ delaySeconds: disposition.delaySeconds });
  }
}
