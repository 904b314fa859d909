import { waitUntil } from "cloudflare:workers";
import { systemClock } from "../base/clock.ts";
import type { Result } from "../base/result.ts";
import { describeError, log } from "../worker/log.ts";
import { getStub, type PlacementEnv } from "../worker/placement.ts";
import { validate, valueOrThrow } from "../worker/validate.ts";
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
import { thresholds as thresholdsSchema, type Thresholds } from "./rules/thresholds.ts";
import type { BreakerVariables } from "./rules/variables.ts";

/** The binding of the breakers, and optional variables for when their objects do not answer. */
export type BreakerEnv = BreakerVariables &
  PlacementEnv & { CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker> };

/** How the calls of one dependency are made, and which of their errors count. */
export type BreakerOptions = CallPolicy & {
  /**
   * When the breaker opens, where it differs from the defaults. The object keeps those of its first
   * caller until a reset. Variables of the Worker that hosts the object win. Bad ones are logged
   * and not used.
   */
  thresholds?: Thresholds;
  /** Called for each call that the breaker rejects. */
  onRejected?: (dependency: string) => void;
};

/** Calls a dependency behind its breaker, with retries. Never throws. */
export type Guard = <Value>(call: GuardedCall<Value>) => Promise<Result<Value, GuardFailure>>;

type Shared = {
  breaker: IsolateBreaker;
  /** The latest callers: each keeps its own time limit and fault rules. */
  clients: { options: BreakerOptions; client: BreakerClient }[];
  budget: RetryBudget;
};

/**
 * More callers of one name than this make their client per call. They count in the same breaker all
 * the same.
 */
const MAX_CLIENTS = 8;

/**
 * Plain state of this isolate, which its requests share: the reply that one of them received saves
 * the next one a request. It holds no I/O of any request. Keyed by the binding, so that each
 * stand-in of a test gets its own state.
 */
const breakers = new WeakMap<BreakerEnv["CIRCUIT_BREAKER"], Map<string, Shared>>();

const ports = { background: waitUntil, clock: systemClock, random: Math.random };

function breakerFor(env: BreakerEnv, dependency: string, asked?: Thresholds): Shared {
  const namespace = env.CIRCUIT_BREAKER;
  const known = breakers.get(namespace) ?? new Map<string, Shared>();
  breakers.set(namespace, known);
  const existing = known.get(dependency);
  if (existing !== undefined) return existing;
  const thresholds = checkedThresholds(dependency, asked);
  const shared: Shared = {
    breaker: new IsolateBreaker({
      ...ports,
      settings: configuredSettings(env, dependency, thresholds),
      thresholds,
      notify: (event) => logEvent(dependency, event),
      object: {
        // A stub belongs to the request that makes it.
        sync: async (request) =>
          valueOrThrow(await getStub(namespace, dependency, env).sync(request)),
        endProbe: async (request) =>
          valueOrThrow(await getStub(namespace, dependency, env).endProbe(request)),
      },
    }),
    clients: [],
    budget: new RetryBudget(),
  };
  known.set(dependency, shared);
  return shared;
}

function logEvent(dependency: string, event: IsolateBreakerEvent): void {
  if (event.event === "object_back") log("info", "circuit_breaker.object_back", { dependency });
  else log("warn", "circuit_breaker.object_lost", { dependency, ...describeError(event.error) });
}

/** The state of a breaker in this isolate, for code that only reads its state. */
export function isolateBreaker(env: BreakerEnv, dependency: string): IsolateBreaker {
  return breakerFor(env, dependency).breaker;
}

/**
 * A client of the breaker with that name. All callers of a name share its breaker, and each keeps
 * its own time limit and fault rules. The functions of the options should be the same at each call,
 * so that the client of the call before serves again.
 */
export function breakerClient(
  env: BreakerEnv,
  dependency: string,
  options: BreakerOptions,
): BreakerClient {
  const { thresholds: asked, onRejected, ...policy } = options;
  const { breaker, clients } = breakerFor(env, dependency, asked);
  const known = clients.find((one) => isSame(one.options, options));
  if (known !== undefined) return known.client;
  const client = new BreakerClient({
    ...ports,
    dependency,
    policy,
    breaker,
    newId: () => crypto.randomUUID(),
    ...(onRejected !== undefined && { rejected: () => onRejected(dependency) }),
  });
  clients.unshift({ options, client });
  if (clients.length > MAX_CLIENTS) clients.pop();
  return client;
}

/** A breaker must not make calls fail: bad thresholds are logged. */
function checkedThresholds(
  dependency: string,
  asked: Thresholds | undefined,
): Thresholds | undefined {
  if (asked === undefined) return undefined;
  const checked = validate(thresholdsSchema, asked);
  if (checked.ok) return asked;
  const [error] = checked.error.errors;
  log("error", "circuit_breaker.misconfigured", {
    dependency,
    variable: `thresholds.${error?.path}`,
    problem: error?.message,
  });
  return undefined;
}

function isSame(one: BreakerOptions, other: BreakerOptions): boolean {
  return (
    one.timeoutMs === other.timeoutMs &&
    one.calleeTimesOut === other.calleeTimesOut &&
    one.countsAsFailure === other.countsAsFailure &&
    one.resultCountsAsFailure === other.resultCountsAsFailure &&
    one.slowMs === other.slowMs &&
    one.onRejected === other.onRejected
  );
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
 *           countsAsFailure: () => true,
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
 * - The breaker opens after 5 failures if they are half of the calls, of the last 60 s or since
 *   the failures began. It opens for 30 s at first and for 60 s at most. Then one call probes, and
 *   after its success the share of the calls that run doubles each second. The variables
 *   `BREAKER_*` of the Worker that hosts the objects change that.
 * - A result can count as a failure: `resultCountsAsFailure: isServerFailure` for a `Response` with
 *   a status from 500 on. It is tried again, and in the end the caller gets it as the value. A 429
 *   never counts. The `Retry-After` of a 503 is respected up to 60 s.
 * - With `slowMs`, the breaker opens too if slow and failed calls together are 80 % of the calls.
 * - While the breaker is closed, no call waits for its object. Another isolate acts on a change
 *   within 5 s, or within 20 s if there are very many isolates. An isolate whose calls all fail
 *   pauses for 5 to 30 s, although the breaker is closed for the others. If the object
 *   cannot be reached, the isolate counts and decides on its own.
 * - Callers of the same name share the breaker and keep their own options: see `breakerClient`.
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
