import type { BreakerDay } from "../alerts/rules/digest-text.ts";
import { within } from "../lib/base/deadline.ts";
import type { BreakerEnv } from "../lib/circuit-breaker/index.ts";
import { fanOut } from "../lib/worker/fan-out.ts";
import { getStub } from "../lib/worker/placement.ts";
import type { TelemetryEnv } from "../telemetry/isolate.ts";
import { dependencies } from "./dependencies.ts";
import { readRegistry } from "./registry.ts";

const TIMEOUT_MS = 2_000;
/** Of two calls each. */
const AT_ONCE = 2;
const MAX_TRANSITIONS = 1_000;
/** The breakers of other Workers are asked for at most so long. */
const OTHERS_MS = 20_000;

/**
 * The state of each breaker, and how often it opened from one time (included) to another. Those of
 * other Workers are missing if their list cannot be read.
 */
export async function breakerDays(
  env: BreakerEnv & Pick<TelemetryEnv, "TELEMETRY">,
  from: number,
  until: number,
): Promise<BreakerDay[]> {
  const registry = await readRegistry(env);
  const own = await fanOut(
    dependencies,
    async (name) =>
      await within(TIMEOUT_MS, breakerDay(env, name, from, until)).catch(() => silent(name)),
    AT_ONCE,
  );
  const endsAt = Date.now() + OTHERS_MS;
  const others = await fanOut(registry?.registered ?? [], async ({ name, state, last }) => {
    // Most never changed: only those that did are asked.
    if (last === null || last.at < from) return { name, state, opened: 0 };
    const leftMs = Math.min(endsAt - Date.now(), TIMEOUT_MS);
    const opened =
      leftMs <= 0
        ? null
        : await within(leftMs, openedBetween(env, name, from, until)).catch(() => null);
    return { name, state, opened };
  });
  return [...own, ...others];
}

const silent = (name: string): BreakerDay => ({ name, state: null, opened: null });

async function breakerDay(
  env: BreakerEnv,
  name: string,
  from: number,
  until: number,
): Promise<BreakerDay> {
  const [{ state }, opened] = await Promise.all([
    getStub(env.CIRCUIT_BREAKER, name, env).inspect(),
    openedBetween(env, name, from, until),
  ]);
  return opened === null ? silent(name) : { name, state, opened };
}

async function openedBetween(
  env: BreakerEnv,
  name: string,
  from: number,
  until: number,
): Promise<number | null> {
  const breaker = getStub(env.CIRCUIT_BREAKER, name, env);
  const history = await breaker.history({ limit: MAX_TRANSITIONS });
  if (!history.ok) return null;
  return history.value.filter(
    ({ at, from: before, to }) => at >= from && at < until && before === "CLOSED" && to === "OPEN",
  ).length;
}
