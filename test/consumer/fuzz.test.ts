import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, expect, inject, it, vi } from "vitest";
import worker from "../../workers/consumer/index.ts";
import { fakeQueue } from "../support/emails.ts";

/**
 * Queue messages at random: none takes its batch down, and every one is settled: acknowledged, or
 * to be delivered again.
 */

beforeEach(() => {
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
  return () => void vi.restoreAllMocks();
});

const nearly = fc.record(
  {
    v: fc.oneof(fc.constant(1), fc.jsonValue({ maxDepth: 1 })),
    type: fc.constantFrom("email.send", "bury", "poison", "cf.email.sending.message.bounced", "x"),
    payload: fc.record(
      {
        eventId: fc.oneof(fc.string(), fc.jsonValue({ maxDepth: 1 })),
        messageId: fc.string(),
        recipient: fc.string(),
        delivery: fc.jsonValue({ maxDepth: 1 }),
      },
      { requiredKeys: [] },
    ),
    emailId: fc.oneof(fc.uuid(), fc.jsonValue({ maxDepth: 1 })),
    generation: fc.oneof(fc.integer(), fc.jsonValue({ maxDepth: 1 })),
    idempotencyKey: fc.oneof(fc.string(), fc.jsonValue({ maxDepth: 1 })),
    message: fc.oneof(
      fc.record(
        { to: fc.constantFrom("ada@example.com", "x"), subject: fc.string(), text: fc.string() },
        { requiredKeys: [] },
      ),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    reason: fc.string(),
    raw: fc.string(),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  nearly,
  fc.jsonValue(),
  fc.anything({
    withDate: true,
    withMap: true,
    withSet: true,
    withBigInt: true,
    withTypedArray: true,
    withNullPrototype: false,
  }),
);

it.each(["luna-email", "luna-email-dlq", "luna-email-feedback"])("on %s", async (queue) => {
  await fc.assert(
    fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 10 }), async (bodies) => {
      const messages = bodies.map((one, n) => ({
        id: crypto.randomUUID() + n,
        timestamp: new Date(),
        attempts: 1,
        body: one,
      }));
      const batch = createMessageBatch(queue, messages);
      await worker.queue(batch, {
        ...env,
        EMAIL_QUEUE: fakeQueue().queue,
        EMAIL_DLQ: fakeQueue().queue,
      });
      const { explicitAcks, retryMessages, outcome } = await getQueueResult(
        batch,
        createExecutionContext(),
      );
      expect(outcome).toBe("ok");
      expect([...explicitAcks, ...retryMessages.map(({ msgId }) => msgId)].toSorted()).toEqual(
        messages.map(({ id }) => id).toSorted(),
      );
    }),
    { numRuns: 200, seed: inject("seed") },
  );
});
