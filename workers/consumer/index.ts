import { describeError, log } from "../../shared/lib/worker/log.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import { reportSoon, setWorkerName } from "../../shared/telemetry/isolate.ts";
import type { ConsumerEnv } from "../env.ts";
import { deadLetterBatch } from "./dead-letter.ts";
import { writeDeliveries, webhookBatch } from "./deliver-webhooks.ts";
import { deliverBatch } from "./deliver.ts";
import { feedbackBatch, takeDeliveryReport } from "./feedback.ts";
import { jobBatch } from "./run-jobs.ts";

/**
 * The queues that this Worker consumes, by what their names in `wrangler.consumer.toml` end in: the
 * first word is the environment's.
 */
const consumers: Record<string, (batch: MessageBatch, env: ConsumerEnv) => Promise<void>> = {
  "-email": async (batch, env) => {
    await deliverBatch(batch, env);
    await writeDeliveries(env);
  },
  "-email-dlq": deadLetterBatch,
  "-job": jobBatch,
  "-email-feedback": async (batch, env) => {
    await feedbackBatch(batch, env);
    await writeDeliveries(env);
  },
  "-webhook": (batch, env) => webhookBatch("fast", batch, env),
  "-webhook-slow": (batch, env) => webhookBatch("slow", batch, env),
};

setWorkerName("consumer");

export default {
  /**
   * Never throws: the runtime would retry the whole batch, and locally it would even ignore what
   * was acknowledged.
   */
  async queue(batch, env) {
    try {
      const consume = Object.entries(consumers).find(([ending]) =>
        batch.queue.endsWith(ending),
      )?.[1];
      if (consume === undefined) throw new Error(`no consumer for the queue ${batch.queue}`);
      await consume(batch, env);
    } catch (error) {
      counters.count("luna_uncaught_exceptions_total", { worker: "consumer" });
      log("error", "queue.batch_failed", {
        queue: batch.queue,
        messages: batch.messages.length,
        ...describeError(error),
      });
      batch.retryAll();
    } finally {
      reportSoon(env);
    }
  },
  /**
   * A delivery report of a mail server. It throws only if D1 could not be asked: then the server
   * must bring the report again. Nothing is rejected, since that would bounce to the server.
   */
  async email(message, env) {
    try {
      if (await takeDeliveryReport(message, env)) await writeDeliveries(env);
    } finally {
      reportSoon(env);
    }
  },
} satisfies ExportedHandler<ConsumerEnv>;
