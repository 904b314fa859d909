import { within } from "../lib/base/deadline.ts";
import type { BreakerEnv } from "../lib/circuit-breaker/index.ts";
import type { Inspection } from "../lib/circuit-breaker/rules/index.ts";
import { fanOut } from "../lib/worker/fan-out.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { getStub } from "../lib/worker/placement.ts";
import { dependencies, type Dependency } from "./dependencies.ts";

/** The limit per breaker, so that one that hangs does not delay the others. */
const TIMEOUT_MS = 2_000;
/** Callers read D1 and other objects at the same time. */
const AT_ONCE = 3;

/** Inspects every breaker. `inspection` is null if its object does not answer. */
export async function inspectAll(
  env: BreakerEnv,
): Promise<{ name: Dependency; inspection: Inspection | null }[]> {
  return await fanOut(
    dependencies,
    async (name) => ({ name, inspection: await inspect(env, name) }),
    AT_ONCE,
  );
}

async function inspect(env: BreakerEnv, name: Dependency): Promise<Inspection | null> {
  try {
    return await within(TIMEOUT_MS, getStub(env.CIRCUIT_BREAKER, name, env).inspect());
  } catch (error) {
    log("error", "circuit_breaker.unreachable", { dependency: name, ...describeError(error) });
    return null;
  }
}
