import {
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  timeout,
  TimeoutStrategy,
  wrap,
} from "cockatiel";
import Opossum from "opossum";
import { systemClock } from "../shared/lib/base/clock.ts";
import { BreakerClient } from "../shared/lib/circuit-breaker/isolate/client.ts";
import { IsolateBreaker } from "../shared/lib/circuit-breaker/isolate/isolate-breaker.ts";
import type { Snapshot } from "../shared/lib/circuit-breaker/rules/phase.ts";
import { defaultSettings } from "../shared/lib/circuit-breaker/rules/settings.ts";
import { nsPerCall, ratios, type Ratio } from "./measure.ts";

const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 5_000;
const operation = async (): Promise<number> => 1;
const failing = async (): Promise<number> => {
  throw new Error("down");
};

/** A client with a snapshot that stays fresh for the whole run. */
async function luna(state: "CLOSED" | "OPEN", calleeTimesOut = true): Promise<BreakerClient> {
  const snapshot: Snapshot = {
    state,
    epoch: 1,
    leaseMs: HOUR_MS,
    retryAfterMs: HOUR_MS,
    override: { kind: "none" },
  };
  const object = {
    sync: async () => ({ snapshot, granted: false }),
    endProbe: async () => ({ snapshot, granted: false }),
  };
  const ports = { clock: systemClock, random: Math.random, background: (): void => undefined };
  const breaker = new IsolateBreaker({
    ...ports,
    object,
    settings: defaultSettings,
    notify: () => undefined,
  });
  await breaker.refresh(1_000);
  const policy = { timeoutMs: TIMEOUT_MS, calleeTimesOut, countsAsFailure: (): boolean => true };
  return new BreakerClient({ ...ports, dependency: "bench", policy, breaker, newId: () => "id" });
}

async function cockatiel(state: "CLOSED" | "OPEN") {
  const policy = circuitBreaker(handleAll, {
    halfOpenAfter: HOUR_MS,
    breaker: new ConsecutiveBreaker(5),
  });
  if (state === "OPEN")
    for (let n = 0; n < 5; n += 1) await policy.execute(failing).catch(() => undefined);
  return policy;
}

async function opossum(state: "CLOSED" | "OPEN") {
  const breaker = new Opossum(operation, { resetTimeout: HOUR_MS, timeout: false });
  if (state === "OPEN") breaker.open();
  return breaker;
}

const quietly = (call: () => Promise<unknown>) => async (): Promise<void> => {
  try {
    await call();
  } catch {
    // A rejection is what is measured.
  }
};

/**
 * A guarded call that succeeds, without and with a timeout that the breaker keeps, and one that is
 * rejected, beside the baselines in this process.
 */
export async function circuitBreakerRows(): Promise<Ratio[]> {
  const closed = {
    luna: await luna("CLOSED"),
    cockatiel: await cockatiel("CLOSED"),
    opossum: await opossum("CLOSED"),
  };
  const open = {
    luna: await luna("OPEN"),
    cockatiel: await cockatiel("OPEN"),
    opossum: await opossum("OPEN"),
  };
  const closedNs = await nsPerCall({
    bare: () => operation(),
    luna: () => closed.luna.run(operation),
    cockatiel: () => closed.cockatiel.execute(operation),
    opossum: () => closed.opossum.fire(),
  });
  const timed = {
    luna: await luna("CLOSED", false),
    cockatiel: wrap(timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive), closed.cockatiel),
    opossum: new Opossum(operation, { resetTimeout: HOUR_MS, timeout: TIMEOUT_MS }),
  };
  const timedNs = await nsPerCall({
    bare: () => operation(),
    luna: () => timed.luna.run(operation),
    cockatiel: () => timed.cockatiel.execute(operation),
    opossum: () => timed.opossum.fire(),
  });
  const openNs = await nsPerCall({
    luna: quietly(() => open.luna.run(operation)),
    cockatiel: quietly(() => open.cockatiel.execute(operation)),
    opossum: quietly(() => open.opossum.fire()),
  });
  return [
    ...ratios("breaker CLOSED: a call", "ns", "bare", closedNs),
    ...ratios("breaker CLOSED: a call that it times", "ns", "bare", timedNs),
    ...ratios("breaker OPEN: a rejection", "ns", "cockatiel", openNs),
  ];
}
