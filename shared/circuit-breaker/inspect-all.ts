import { within } from "../deadline.ts";
import { objectNamed } from "../objects.ts";
import { describeError, log } from "../telemetry/log.ts";
import { dependencies, type Dependency } from "./dependencies.ts";
import type { BreakerEnv } from "./guard.ts";
import type { Inspection } from "./rpc.ts";

/** Whoever looks at all breakers waits for none of them for longer than this. */
const TIMEOUT_MS = 2_000;

/** Every breaker as its object has it. Null for one that does not answer: it hides no other. */
export async function inspectAll(env: BreakerEnv): Promise<{ name: Dependency; inspection: Inspection | null }[]> {
  return await Promise.all(dependencies.map(async (name) => ({ name, inspection: await inspect(env, name) })));
}

async function inspect(env: BreakerEnv, name: Dependency): Promise<Inspection | null> {
  try {
    return await within(TIMEOUT_MS, Promise.resolve(objectNamed(env.CIRCUIT_BREAKER, name, env).inspect()));
  } catch (error) {
    log("error", "circuit_breaker.unreachable", { dependency: name, ...describeError(error) });
    return null;
  }
}
