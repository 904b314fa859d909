import { waitUntil } from "cloudflare:workers";
import type { Outbox } from "../../shared/email/outbox.ts";
import type { ApiEnv } from "../env.ts";

/** No request waits for a queue: what the queue does not take, the next sweep notifies. */
export const outboxOf = ({ DB, EMAIL_QUEUE, ATTACHMENTS }: ApiEnv): Outbox => ({
  db: DB,
  queue: EMAIL_QUEUE,
  bucket: ATTACHMENTS,
  background: waitUntil,
});
