import { relatedKey } from "../../shared/accounts/rules/keys.ts";
import type { UsageIncrement } from "../../shared/accounts/rules/schemas.ts";
import { untilNextMonthMs } from "../../shared/accounts/rules/usage-quotas.ts";
import { usageQuota } from "../../shared/accounts/settings.ts";
import {
  incrementUsage,
  findCounted,
  findPastUsage,
  MAX_METRICS_OF_USER,
  type UsageOutcome,
} from "../../shared/accounts/sql/usage-counters.ts";
import type { KeyedRequest } from "../../shared/database/answered-requests.ts";
import { OWN_DELIVERY_MS } from "../../shared/database/purge-outbox/flush.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { answerAgain, keyedRequest } from "./keyed.ts";
import { withPurge } from "./purging.ts";

/** No sweep takes a request's purge earlier than this, even if clocks differ by two seconds. */
const INTENT_IS_THERE_MS = OWN_DELIVERY_MS - 2_000;

const noSuchUser: Failure = { tag: "not-found", what: "user" };

/** With an Idempotency-Key a repeat is answered like the first request, and counts nothing. */
export const addUsage: Handler<"addUsage"> = async (call) => {
  const { body, env, now } = call;
  const { userId } = call.params;
  const { metric } = body;
  const keyed = await keyedRequest(call, { userId, ...body });
  const quota = usageQuota(env, metric);
  const counted = await withPurge(env, [relatedKey(userId, "usage")], (purgeId) =>
    writeDatabase(
      () => incrementUsage(env.DB, userId, { ...body, quota, keyed }, { purgeId, now }),
      async () => {
        const found = await findCounted(env.DB, userId, { metric, quota }, { purgeId, now });
        if (found === null && Date.now() - now > INTENT_IS_THERE_MS)
          throw new Error("a sweep may have delivered the intent meanwhile");
        return found;
      },
    ),
  );
  return counted.ok ? answerCount(call, counted.value, keyed) : counted;
};

function answerCount(
  { body: { metric }, now }: { body: UsageIncrement; now: number },
  counted: UsageOutcome,
  keyed: KeyedRequest | null,
): Result<Response, Failure> {
  switch (counted.tag) {
    case "answered":
      return answerAgain(counted.first, keyed);
    case "counted":
      return json({
        metric,
        amount: counted.amount,
        ...(counted.quota !== null && { quota: counted.quota }),
      });
    case "no-user":
      return fail(noSuchUser);
    case "over-quota": {
      const { tier, quota } = counted;
      const retryAfterMs = untilNextMonthMs(now);
      return fail({ tag: "usage-quota", metric, tier, ...quota, retryAfterMs });
    }
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
  const { by, metric = null, limit, cursor: after = null } = query;
  const found = await readDatabase(env, () =>
    findPastUsage(env.DB, userId, { by, metric, after }, limit + 1),
  );
  if (!found.ok) return found;
  if (found.value === null) return fail(noSuchUser);
  const items = found.value.slice(0, limit);
  const last = found.value.length > limit ? items.at(-1) : undefined;
  return json({ items, ...(last && { nextCursor: `${last.period}~${last.metric}` }) });
};
