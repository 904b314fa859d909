import { objectNamed } from "../objects.ts";
import { waitUntil } from "cloudflare:workers";
import { systemClock } from "../clock.ts";
import type { Variables } from "../env.ts";
import { listFields } from "../http/problem.ts";
import type { Result } from "../result.ts";
import { counters } from "../telemetry/counters.ts";
import { describeError, log } from "../telemetry/log.ts";
import type { Operation } from "./attempt.ts";
import type { CallPolicy } from "./caller.ts";
import { BreakerClient } from "./client.ts";
import { configuredSettings } from "./configured.ts";
import { isDependency } from "./dependencies.ts";
import type { LeaseEvent } from "./lease-ports.ts";
import { Lease } from "./lease.ts";
import type { CircuitBreaker } from "./object.ts";
import type { Invalid, SyncReply } from "./rpc.ts";
import { callWithRetries, RetryBudget, type GuardFailure, type RetrySettings } from "./retry.ts";

/** Where the breakers live, and the variables for when they cannot be reached. */
export type BreakerEnv = Variables & { CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker> };

/** Calls a dependency behind its breaker, with retries. Never throws. */
export type Guard = <Value>(operation: Operation<Value>) => Promise<Result<Value, GuardFailure>>;

type Member = { lease: Lease; client: BreakerClient | null; budget: RetryBudget };

/**
 * Plain state of this isolate, shared by its requests: what one of them was told saves the next from asking. It holds no I/O of any
 * of them. Keyed by the binding, so that a test's stand-in gets leases of its own.
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
      notify: (event) => tell(dependency, event),
      object: {
        // A stub belongs to the request that makes it.
        sync: async (request) => answered(await objectNamed(namespace, dependency, env).sync(request)),
        endProbe: async (request) => answered(await objectNamed(namespace, dependency, env).endProbe(request)),
      },
    }),
    client: null,
    budget: new RetryBudget(),
  };
  known.set(dependency, member);
  return member;
}

function tell(dependency: string, event: LeaseEvent): void {
  if (event.event === "object_back") log("info", "circuit_breaker.object_back", { dependency });
  else log("warn", "circuit_breaker.object_lost", { dependency, ...describeError(event.error) });
}

function answered(reply: Result<SyncReply, Invalid>): SyncReply {
  if (reply.ok) return reply.value;
  throw new TypeError(listFields(reply.error.errors));
}

/** The isolate's lease on a breaker, for those who only look. */
export function leaseOn(env: BreakerEnv, dependency: string): Lease {
  return memberOf(env, dependency).lease;
}

/** The isolate's client of a breaker. The policy is that of the first who asks. */
export function breakerClient(env: BreakerEnv, dependency: string, policy: CallPolicy): BreakerClient {
  const member = memberOf(env, dependency);
  member.client ??= new BreakerClient({
    ...ports,
    dependency,
    policy,
    lease: member.lease,
    newId: () => crypto.randomUUID(),
    rejected: () => isDependency(dependency) && counters.count("luna_circuit_breaker_rejections_total", { dependency }),
  });
  return member.client;
}

/** Guards a dependency whose calls may be repeated by the fleet's breaker of that name. */
export function guard(env: BreakerEnv, dependency: string, policy: CallPolicy, retries: RetrySettings): Guard {
  const client = breakerClient(env, dependency, policy);
  const { budget } = memberOf(env, dependency);
  return (operation) => callWithRetries(client, operation, retries, budget, ports);
}
