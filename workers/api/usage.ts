import { relatedKey } from "../../shared/accounts/rules/keys.ts";
import {
  addUsage as count,
  findCounted,
  findPastUsage,
  MAX_METRICS_OF_USER,
  type UsageOutcome,
} from "../../shared/accounts/sql/usage-counters.ts";
import { OWN_DELIVERY_MS } from "../../shared/database/purge-outbox/flush.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { purgingAfter } from "./purging.ts";

/** No sweep takes a request's purge earlier than this, even if clocks differ by two seconds. */
const INTENT_IS_THERE_MS = OWN_DELIVERY_MS - 2_000;

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const addUsage: Handler<"addUsage"> = async ({ params: { userId }, body, env, now }) => {
  const { metric } = body;
  const counted = await purgingAfter(env, [relatedKey(userId, "usage")], (intentId) =>
    writeDatabase(
      () => count(env.DB, userId, body, { intentId, now }),
      async () => {
        const found = await findCounted(env.DB, userId, metric, intentId);
        if (found === null && Date.now() - now > INTENT_IS_THERE_MS)
          throw new Error("a sweep may have delivered the intent meanwhile");
        return found;
      },
    ),
  );
  return counted.ok ? answerCount(metric, counted.value) : counted;
};

function answerCount(metric: string, counted: UsageOutcome): Result<Response, Failure> {
  switch (counted.tag) {
    case "counted":
      return json({ metric, amount: counted.amount });
    case "no-user":
      return fail(noSuchUser);
    case "too-many-metrics":
      return fail({
        tag: "wrong-state",
        detail: `A user has at most ${MAX_METRICS_OF_USER} metrics.`,
      });
    case "too-much":
      return fail({
        tag: "wrong-state",
        detail: `The counter is at ${counted.amount}: a larger sum would not be exact.`,
      });
  }
}

/** A user's usage by day or month, newest first. */
export const usageHistory: Handler<"usageHistory"> = async ({ params: { userId }, query, env }) => {
  const { by, metric, limit } = query;
  const found = await readDatabase(env, () =>
    findPastUsage(env.DB, userId, { by, metric: metric ?? null }, limit),
  );
  if (!found.ok) return found;
  return found.value === null ? fail(noSuchUser) : json({ items: found.value });
};
