import type { BreakerDay } from "../alerts/rules/digest-text.ts";
import { within } from "../lib/base/deadline.ts";
import type { BreakerEnv } from "../lib/circuit-breaker/index.ts";
import { getStub } from "../lib/worker/placement.ts";
import { dependencies } from "./dependencies.ts";

const TIMEOUT_MS = 2_000;
const MAX_TRANSITIONS = 1_000;

/** The state of each breaker, and how often it opened from one time (included) to another. */
export async function breakerDays(
  env: BreakerEnv,
  from: number,
  until: number,
): Promise<BreakerDay[]> {
  return await Promise.all(
    dependencies.map((name) =>
      within(TIMEOUT_MS, breakerDay(env, name, from, until)).catch(() => silent(name)),
    ),
  );
}

const silent = (name: string): BreakerDay => ({ name, state: null, opened: null });

async function breakerDay(
  env: BreakerEnv,
  name: string,
  from: number,
  until: number,
): Promise<BreakerDay> {
  const breaker = getStub(env.CIRCUIT_BREAKER, name, env);
  const [{ state }, history] = await Promise.all([
    breaker.inspect(),
    breaker.history({ limit: MAX_TRANSITIONS }),
  ]);
  if (!history.ok) return silent(name);
  const opened = history.value.filter(
    ({ at, from: before, to }) => at >= from && at < until && before === "CLOSED" && to === "OPEN",
  ).length;
  return { name, state, opened };
}
