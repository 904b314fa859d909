import type { ConsumerEnv } from "../../shared/env.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { buryBatch } from "./bury.ts";
import { deliverBatch } from "./deliver.ts";

/** The queues that this Worker consumes, by the names in `wrangler.consumer.toml`. */
const consumers: Record<string, (batch: MessageBatch, env: ConsumerEnv) => Promise<void>> = {
  "luna-email": deliverBatch,
  "luna-email-dlq": buryBatch,
};

export default {
  /** Never throws: the runtime would retry the whole batch, and locally it would even ignore what was acknowledged. */
  async queue(batch, env) {
    try {
      const consume = consumers[batch.queue];
      if (consume === undefined) throw new Error(`no consumer for the queue ${batch.queue}`);
      await consume(batch, env);
    } catch (error) {
      log("error", "queue.batch_failed", { queue: batch.queue, messages: batch.messages.length, ...describeError(error) });
      batch.retryAll();
    }
  },
} satisfies ExportedHandler<ConsumerEnv>;
