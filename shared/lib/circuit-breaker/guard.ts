import { waitUntil } from "cloudflare:workers";
import { systemClock } from "../base/clock.ts";
import type { Result } from "../base/result.ts";
import { describeError, log } from "../worker/log.ts";
import { objectNamed, type PlacementEnv } from "../worker/placement.ts";
import { listFields, type Invalid } from "../worker/validate.ts";
import { configuredSettings } from "./configured.ts";
import type { Operation } from "./isolate/attempt.ts";
import { BreakerClient } from "./isolate/client.ts";
import type { CallPolicy } from "./isolate/executor.ts";
import {
  callWithRetries,
  defaultRetries,
  RetryBudget,
  type GuardFailure,
  type RetrySettings,
} from "./isolate/retry.ts";
import type { LeaseEvent } from "./isolate/snapshot-ports.ts";
import { Lease } from "./isolate/snapshot.ts";
import type { CircuitBreaker } from "./object/object.ts";
import type { SyncReply } from "./rules/rpc.ts";
import type { BreakerVariables } from "./rules/variables.ts";

/** The binding of the breakers, and optional variables for when their objects cannot be reached. */
export type BreakerEnv = BreakerVariables &
  PlacementEnv & { CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker> };

/** How the calls of one dependency are made and judged. */
export type BreakerOptions = CallPolicy & {
  /** Called for each call that the breaker rejects. */
  onRejected?: (dependency: string) => void;
};

/** Calls a dependency behind its breaker, with retries. Never throws. */
export type Guard = <Value>(operation: Operation<Value>) => Promise<Result<Value, GuardFailure>>;

type Member = { lease: Lease; client: BreakerClient | null; budget: RetryBudget };

/**
 * Plain state of this isolate, shared by its requests: a reply that one of them received saves the
 * next one a question. It holds no I/O of any request. Keyed by the binding, so that each stand-in
 * of a test gets state of its own.
 */
const members = new WeakMap<BreakerEnv["CIRCUIT_BREAKER"], Map<string, Member>>();

const ports = { background: waitUntil, clock: systemClock, random: Math.random };

function memberOf(env: BreakerEnv, dependency: string): Member {
  const namespace = env.CIRCUIT_BREAKER;
  const known = members.get(namespace) ?? new Map<string, Member>();
  members.set(namespace, known);
  const member = known.get(dependency) ?? {
    lease: new Lease({
      ...ports,
      settings: configuredSettings(env),
      notify: (event) => logEvent(dependency, event),
      object: {
        // A stub belongs to the request that makes it.
        sync: async (request) =>
          answered(await objectNamed(namespace, dependency, env).sync(request)),
        endProbe: async (request) =>
          answered(await objectNamed(namespace, dependency, env).endProbe(request)),
      },
    }),
    client: null,
    budget: new RetryBudget(),
  };
  known.set(dependency, member);
  return member;
}

function logEvent(dependency: string, event: LeaseEvent): void {
  if (event.event === "object_back") log("info", "circuit_breaker.object_back", { dependency });
  else log("warn", "circuit_breaker.object_lost", { dependency, ...describeError(event.error) });
}

function answered(reply: Result<SyncReply, Invalid>): SyncReply {
  if (reply.ok) return reply.value;
  throw new TypeError(listFields(reply.error.errors));
}

/** The isolate's lease on a breaker, for code that only reads its state. */
export function leaseOn(env: BreakerEnv, dependency: string): Lease {
  return memberOf(env, dependency).lease;
}

/**
 * The isolate's client of the breaker with that name. One isolate has one client per name: the
 * options of the first call hold for all.
 */
export function breakerClient(
  env: BreakerEnv,
  dependency: string,
  { onRejected, ...policy }: BreakerOptions,
): BreakerClient {
  const member = memberOf(env, dependency);
  member.client ??= new BreakerClient({
    ...ports,
    dependency,
    policy,
    lease: member.lease,
    newId: () => crypto.randomUUID(),
    ...(onRejected !== undefined && { rejected: () => onRejected(dependency) }),
  });
  return member.client;
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
 * - Never throws. `circuit-open`: the breaker rejected the call, and `retryAfterMs` is when another
 *   try is worth it. `call-failed`: `error` is what the last attempt threw, a `TimeoutError` if it
 *   had no answer within `timeoutMs`.
 * - At most `1 + retries` attempts within `deadlineMs`: by default 3 within 10 s. Each passes the
 *   breaker, so that retries end as soon as it opens. A probe is never repeated. The retries of an
 *   isolate are at most 20 % of its calls, plus 10.
 * - The breaker opens after 5 failures in 60 s if they are half of the calls, for 30 s at first and
 *   for 5 minutes at most. The variables `BREAKER_*` of the Worker that hosts the objects change
 *   that.
 * - While the breaker is closed, no call waits for its object. Another isolate acts on a change
 *   within 5 s. If the object cannot be reached, the isolate counts and decides on its own.
 * - One isolate has one guard per name: the options of the first call hold for all, except
 *   `retries`.
 */
export function guard(
  env: BreakerEnv,
  dependency: string,
  { retries, ...options }: GuardOptions,
): Guard {
  const client = breakerClient(env, dependency, options);
  const { budget } = memberOf(env, dependency);
  const settings = { ...defaultRetries, ...retries };
  return (operation) => callWithRetries(client, operation, settings, budget, ports);
}
