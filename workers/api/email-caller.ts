import { tiers } from "../../shared/accounts/rules/schemas.ts";
import { dailyLimits } from "../../shared/email/daily-limits.ts";
import type { Who } from "../../shared/email/submission.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import type { Misconfigured } from "../../shared/lib/worker/variables.ts";
import type { ApiEnv } from "../env.ts";
import { tenantOf, type Caller } from "./call.ts";

/** Whose emails a caller sends, and how many per day. No limit counts those of a test key. */
export function senderOfCaller(
  env: ApiEnv,
  caller: Caller,
  key: string | null,
): Result<Who, Misconfigured> {
  const test = caller.role === "tenant" && caller.test;
  const limits = test ? ok(null) : dailyLimits(env, tierPlace(caller));
  if (!limits.ok) return limits;
  const who = { tenant: tenantOf(caller), limits: limits.value, test };
  return ok({ ...who, ...(key !== null && { idempotencyKey: key }) });
}

/** The place of the tier that limits the caller; null for none. */
function tierPlace(caller: Caller): number | null {
  if (caller.role !== "tenant") return null;
  const tier = caller.of === "user" ? caller.user.tier : caller.team.tier;
  return tier === null ? null : tiers.indexOf(tier);
}
