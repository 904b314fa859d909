import { within } from "../lib/base/deadline.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { notificationFor, type QueueMessage } from "./queue-messages.ts";
import { notificationDelaySeconds } from "./rules/retry-policy.ts";
import { notifySoon } from "./sql/notifications.ts";

/** Notifications of the consumer, by the queue. */

/**
 * `background`: keeps work alive after the request that began it; without it callers wait for the
 * queue.
 */
export type NotifyPorts = {
  db: D1Database;
  queue: Queue<QueueMessage>;
  background?: (work: Promise<unknown>) => void;
};

/** The longest that a notification, or an email that is being handed over, waits for a queue. */
export const QUEUE_TIMEOUT_MS = 2_000;
/** The most that one `sendBatch` takes. */
const QUEUE_BATCH = 100;

export type Due = { id: string; generation: number; dueAt: number };

/**
 * Notifies the consumer of emails at their due time. If the queue takes no notification, that is
 * not an error: the sweep notifies instead.
 */
export async function notify(ports: NotifyPorts, emails: Due[], now: number): Promise<void> {
  if (emails.length === 0) return;
  const notified = notifyOrLeave(ports, emails, now);
  if (ports.background === undefined) await notified;
  else ports.background(notified);
}

/** Never throws. */
async function notifyOrLeave(ports: NotifyPorts, emails: Due[], now: number): Promise<void> {
  try {
    await within(
      QUEUE_TIMEOUT_MS,
      sendAll(
        ports.queue,
        emails.map((email) => ({
          body: notificationFor(email),
          delaySeconds: notificationDelaySeconds(email.dueAt, now),
        })),
      ),
    );
  } catch (error) {
    log("warn", "email.notification_failed", { emails: emails.length, ...describeError(error) });
    const ids = emails.map((email) => email.id);
    await within(QUEUE_TIMEOUT_MS, notifySoon(ports.db, ids, now)).catch((later: unknown) =>
      log("warn", "email.notify_soon_failed", describeError(later)),
    );
  }
}

/** Sends any number of messages, a queue batch at a time. */
export async function sendAll(
  queue: Queue<QueueMessage>,
  messages: MessageSendRequest<QueueMessage>[],
): Promise<void> {
  for (let start = 0; start < messages.length; start += QUEUE_BATCH) {
    await queue.sendBatch(messages.slice(start, start + QUEUE_BATCH));
  }
}
