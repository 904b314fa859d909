import { waitUntil } from "cloudflare:workers";
import { systemClock } from "../base/clock.ts";
import type { Result } from "../base/result.ts";
import { describeError, log } from "../worker/log.ts";
import { getStub, type PlacementEnv } from "../worker/placement.ts";
import { valueOrThrow } from "../worker/validate.ts";
import { configuredSettings } from "./configured.ts";
import type { GuardedCall } from "./isolate/bounded-call.ts";
import { BreakerClient } from "./isolate/client.ts";
import type { CallPolicy } from "./isolate/executor.ts";
import type { IsolateBreakerEvent } from "./isolate/isolate-breaker-ports.ts";
import { IsolateBreaker } from "./isolate/isolate-breaker.ts";
import {
  callWithRetries,
  defaultRetries,
  RetryBudget,
  type GuardFailure,
  type RetrySettings,
} from "./isolate/retry.ts";
import type { CircuitBreaker } from "./object/object.ts";
import type { BreakerVariables } from "./rules/variables.ts";

/** The binding of the breakers, and optional variables for when their objects do not answer. */
export type BreakerEnv = BreakerVariables &
  PlacementEnv & { CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker> };

/** How the calls of one dependency are made, and which of their errors count. */
export type BreakerOptions = CallPolicy & {
  /** Called for each call that the breaker rejects. */
  onRejected?: (dependency: string) => void;
};

/** Calls a dependency behind its breaker, with retries. Never throws. */
export type Guard = <Value>(call: GuardedCall<Value>) => Promise<Result<Value, GuardFailure>>;

type Shared = {
  breaker: IsolateBreaker;
  client: BreakerClient | null;
  budget: RetryBudget;
  /** The options of the first call, and whether a later call brought others. */
  timing: Timing | null;
  warned: boolean;
};

type Timing = Pick<CallPolicy, "timeoutMs" | "calleeTimesOut">;

/**
 * Plain state of this isolate, which its requests share: the reply that one of them received saves
 * the next one a request. It holds no I/O of any request. Keyed by the binding, so that each
 * stand-in of a test gets its own state.
 */
const breakers = new WeakMap<BreakerEnv["CIRCUIT_BREAKER"], Map<string, Shared>>();

const ports = { background: waitUntil, clock: systemClock, random: Math.random };

function breakerFor(env: BreakerEnv, dependency: string): Shared {
  const namespace = env.CIRCUIT_BREAKER;
  const known = breakers.get(namespace) ?? new Map<string, Shared>();
  breakers.set(namespace, known);
  const shared = known.get(dependency) ?? {
    breaker: new IsolateBreaker({
      ...ports,
      settings: configuredSettings(env),
      notify: (event) => logEvent(dependency, event),
      object: {
        // A stub belongs to the request that makes it.
        sync: async (request) =>
          valueOrThrow(await getStub(namespace, dependency, env).sync(request)),
        endProbe: async (request) =>
          valueOrThrow(await getStub(namespace, dependency, env).endProbe(request)),
      },
    }),
    client: null,
    budget: new RetryBudget(),
    timing: null,
    warned: false,
  };
  known.set(dependency, shared);
  return shared;
}

function logEvent(dependency: string, event: IsolateBreakerEvent): void {
  if (event.event === "object_back") log("info", "circuit_breaker.object_back", { dependency });
  else log("warn", "circuit_breaker.object_lost", { dependency, ...describeError(event.error) });
}

/** What this isolate knows of a breaker, for code that only reads its state. */
export function isolateBreaker(env: BreakerEnv, dependency: string): IsolateBreaker {
  return breakerFor(env, dependency).breaker;
}

/**
 * The isolate's client of the breaker with that name. An isolate has one client per name: the
 * options of the first call hold for all later ones. A later call with another `timeoutMs` or
 * `calleeTimesOut` is logged once per name, as `circuit_breaker.options_differ`.
 */
export function breakerClient(
  env: BreakerEnv,
  dependency: string,
  { onRejected, ...policy }: BreakerOptions,
): BreakerClient {
  const shared = breakerFor(env, dependency);
  shared.timing ??= policy;
  if (!shared.warned && differs(shared.timing, policy)) {
    shared.warned = true;
    log("warn", "circuit_breaker.options_differ", {
      dependency,
      timeoutMs: shared.timing.timeoutMs,
      calleeTimesOut: shared.timing.calleeTimesOut,
      ignoredTimeoutMs: policy.timeoutMs,
      ignoredCalleeTimesOut: policy.calleeTimesOut,
    });
  }
  shared.client ??= new BreakerClient({
    ...ports,
    dependency,
    policy,
    breaker: shared.breaker,
    newId: () => crypto.randomUUID(),
    ...(onRejected !== undefined && { rejected: () => onRejected(dependency) }),
  });
  return shared.client;
}

function differs(one: Timing, other: Timing): boolean {
  return one.timeoutMs !== other.timeoutMs || one.calleeTimesOut !== other.calleeTimesOut;
}

/** Options of `guard`. What `retries` leaves out is as in `defaultRetries`. */
export type GuardOptions = BreakerOptions & { retries?: Partial<RetrySettings> };

/**
 * Guards a dependency whose calls may be repeated, by the fleet's breaker of that name:
 *
 *     import { guard, type BreakerEnv } from "luna-backend/circuit-breaker";
 *
 *     export default {
 *       async fetch(_request, env) {
 *         const prices = guard(env, "prices", {
 *           timeoutMs: 2_000,
 *           calleeTimesOut: false,
 *           isFault: () => true,
 *         });
 *         const answer = await prices((signal) =>
 *           fetch("https://prices.example.com/tea", { signal: signal ?? null }),
 *         );
 *         if (answer.ok) return answer.value;
 *         return new Response(null, {
 *           status: 503,
 *           headers:
 *             answer.error.tag === "circuit-open"
 *               ? { "Retry-After": String(Math.ceil(answer.error.retryAfterMs / 1_000)) }
 *               : {},
 *         });
 *       },
 *     } satisfies ExportedHandler<BreakerEnv>;
 *
 * - Never throws. `circuit-open`: the breaker rejected the call; try again after `retryAfterMs`.
 *   `call-failed`: `error` is what the last try threw, a `TimeoutError` if it had no answer within
 *   `timeoutMs`.
 * - At most `1 + retries` tries within `deadlineMs`: by default 3 within 10 s. Each passes the
 *   breaker, so that retries end as soon as it opens. A probe is not repeated. The retries of an
 *   isolate are at most 20 % of its calls, plus 10.
 * - The breaker opens after 5 failures in 60 s if they are half of the calls, for 30 s at first and
 *   for 5 minutes at most. The variables `BREAKER_*` of the Worker that hosts the objects change
 *   that.
 * - While the breaker is closed, no call waits for its object. Another isolate acts on a change
 *   within 5 s. If the object cannot be reached, the isolate counts and decides on its own.
 * - The name stands for one set of options: see `breakerClient`. `retries` may differ.
 */
export function guard(
  env: BreakerEnv,
  dependency: string,
  { retries, ...options }: GuardOptions,
): Guard {
  const client = breakerClient(env, dependency, options);
  const { budget } = breakerFor(env, dependency);
  const settings = { ...defaultRetries, ...retries };
  return (call) => callWithRetries(call, { ...ports, client, settings, budget });
}
