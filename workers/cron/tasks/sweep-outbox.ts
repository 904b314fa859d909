import { retryPolicy } from "../../../shared/email/settings.ts";
import { sweepOutbox } from "../../../shared/email/sweep.ts";
import type { Task } from "../tasks.ts";

/** Rings for due mails that nobody rang for and reclaims expired leases; for an operator it rings for everything that is due. */
export const sweepOutboxTask: Task = {
  name: "sweep-outbox",
  async run({ env, trigger }) {
    const policy = retryPolicy(env);
    if (!policy.ok) throw new Error(`${policy.error.variable} ${policy.error.message}`);
    const sweep = {
      db: env.DB,
      queue: env.EMAIL_QUEUE,
      deadLetterQueue: env.EMAIL_DLQ,
      policy: policy.value,
      everything: trigger === "operator",
    };
    return await sweepOutbox(sweep, Date.now(), Math.random);
  },
};
