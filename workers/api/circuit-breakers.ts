import { isDependency } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { readRegistry } from "../../shared/dependencies/registry.ts";
import { usedDependencies } from "../../shared/dependencies/used.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { CACHE_BREAKER } from "../../shared/lib/cache/rules/index.ts";
import type { CircuitBreaker } from "../../shared/lib/circuit-breaker/index.ts";
import type {
  Inspection,
  Outage,
  RecordedTransition,
} from "../../shared/lib/circuit-breaker/rules/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import type { Invalid } from "../../shared/lib/worker/validate.ts";
import { isUsed, MAX_REGISTERED } from "../../shared/telemetry/rules/breaker-registry.ts";
import type { RegisteredBreaker } from "../../shared/telemetry/rules/rpc.ts";
import type { ApiEnv } from "../env.ts";
import { json, type CallerOf, type Handler } from "./call.ts";

/** After this an operator gets an error instead of waiting for the object. */
const OBJECT_TIMEOUT_MS = 2_000;

type Stub = DurableObjectStub<CircuitBreaker>;

/** Every breaker. One whose object does not answer is UNREACHABLE and hides no other. */
export const listCircuitBreakers: Handler<"listCircuitBreakers"> = async ({ env, now }) => {
  const [breakers, registry] = await Promise.all([inspectAll(env), readRegistry(env)]);
  const used = new Set<string>(usedDependencies(env));
  const own = breakers.map(({ name, inspection }) => ({
    ...(inspection === null
      ? { name, state: "UNREACHABLE" as const }
      : inspectionAnswer(name, inspection)),
    used: used.has(name),
  }));
  if (registry === null) return json({ items: own });
  const { registered, refused } = registry;
  return json({
    items: [...own, ...registered.map((one) => registeredAnswer(one, now))],
    registry: { names: registered.length, limit: MAX_REGISTERED, refused },
  });
};

/** One breaker, as its object has it now. */
export const getCircuitBreaker: Handler<"getCircuitBreaker"> = async ({
  env,
  params: { name },
}) => {
  const inspection = await ask(env, name, async (stub) => await stub.inspect());
  return inspection.ok ? json(inspectionAnswer(name, inspection.value)) : inspection;
};

/** Transitions, newest first. `nextCursor` is present while more follow. */
export const circuitBreakerHistory: Handler<"circuitBreakerHistory"> = async ({
  env,
  params: { name },
  query: { limit, cursor },
}) => {
  const page = await ask(
    env,
    name,
    async (stub) =>
      await stub.history({ limit: limit + 1, ...(cursor !== undefined && { before: cursor }) }),
  );
  if (!page.ok) return page;
  if (!page.value.ok) return page.value;
  const transitions = page.value.value.slice(0, limit);
  const last = transitions.at(-1);
  const more = page.value.value.length > limit && last !== undefined;
  return json({
    items: transitions.map(transitionAnswer),
    ...(more && { nextCursor: String(last.id) }),
  });
};

export const resetCircuitBreaker: Handler<"resetCircuitBreaker"> = (call) =>
  applyCommand(call, call.params.name, (stub, by) => stub.reset(by));
export const closeCircuitBreaker: Handler<"closeCircuitBreaker"> = (call) =>
  applyCommand(call, call.params.name, (stub, by) => stub.forceClose(by));
export const disableCircuitBreaker: Handler<"disableCircuitBreaker"> = (call) =>
  applyCommand(call, call.params.name, (stub, by) => stub.disable(by));
export const enableCircuitBreaker: Handler<"enableCircuitBreaker"> = (call) =>
  applyCommand(call, call.params.name, (stub, by) => stub.enable(by));
export const openCircuitBreaker: Handler<"openCircuitBreaker"> = (call) =>
  applyCommand(call, call.params.name, (stub, by) => stub.forceOpen(by));

/** Resets the breaker of the cache. The caller needs neither its name nor a reason. */
export const resetCacheBreaker: Handler<"resetCacheBreaker"> = (call) =>
  applyCommand(call, CACHE_BREAKER, (stub, by) => stub.reset(by));

/**
 * Applies an operator's command. The actor and the reason go into the breaker's history; the answer
 * is the breaker after the command.
 */
async function applyCommand<Body extends { reason: string }>(
  { env, body, caller }: { env: ApiEnv; body: Body; caller: CallerOf<"admin"> },
  name: string,
  apply: (stub: Stub, by: Body & { actor: string }) => Promise<Result<Inspection, Invalid>>,
): Promise<Result<Response, Failure>> {
  // A command whose reply does not arrive may have been applied.
  const applied = await ask(env, name, (stub) => apply(stub, { ...body, actor: caller.actor }), {
    tag: "outcome-unknown",
  });
  if (!applied.ok) return applied;
  return applied.value.ok ? json(inspectionAnswer(name, applied.value.value)) : applied.value;
}

/** Asks the object of a breaker that is Luna's own, or registered. */
async function ask<Reply>(
  env: ApiEnv,
  name: string,
  question: (stub: Stub) => Promise<Reply>,
  unanswered: Failure = { tag: "unavailable", dependency: "circuit breaker" },
): Promise<Result<Reply, Failure>> {
  const known = await findBreaker(env, name);
  if (!known.ok) return known;
  try {
    return ok(await within(OBJECT_TIMEOUT_MS, question(getStub(env.CIRCUIT_BREAKER, name, env))));
  } catch (error) {
    log("error", "circuit_breaker.unreachable", { dependency: name, ...describeError(error) });
    return fail(unanswered);
  }
}

/** To ask for any other name would make an object of that name. */
async function findBreaker(env: ApiEnv, name: string): Promise<Result<null, Failure>> {
  if (isDependency(name)) return ok(null);
  const registry = await readRegistry(env);
  if (registry === null) return fail({ tag: "unavailable", dependency: "telemetry" });
  return registry.registered.some((one) => one.name === name)
    ? ok(null)
    : fail({ tag: "not-found", what: "circuit breaker" });
}

function registeredAnswer(breaker: RegisteredBreaker, now: number) {
  const { name, state, override, epoch, last, outage, reportedAt } = breaker;
  return {
    name,
    state,
    override,
    epoch,
    ...(last !== null && { lastTransition: transitionAnswer(last) }),
    ...(outage !== null && { outage: outageAnswer(outage) }),
    used: isUsed(breaker, now),
    reportedAt: new Date(reportedAt).toISOString(),
  };
}

function inspectionAnswer(
  name: string,
  { state, epoch, failures, calls, retryAfterMs, override, last, ...more }: Inspection,
) {
  const { windowMs, outage, ramp, slow = 0, held = 0, thresholdsDiffer } = more;
  return {
    name,
    state,
    override: override.kind,
    epoch,
    failures,
    calls,
    retryAfterMs,
    ...(last !== null && { lastTransition: transitionAnswer(last) }),
    ...(windowMs !== undefined && { windowSeconds: windowMs / 1_000 }),
    ...(outage != null && { outage: outageAnswer(outage) }),
    ...(ramp !== undefined && { rampShare: ramp.share }),
    ...(slow > 0 && { slowCalls: slow }),
    ...(held > 0 && { heldCalls: held }),
    ...(thresholdsDiffer && { thresholdsDiffer }),
  };
}

function outageAnswer({ since, reason }: Outage) {
  return { since: new Date(since).toISOString(), ...(reason !== null && { reason }) };
}

function transitionAnswer({ at, reason, ...transition }: AnyTransition) {
  return {
    ...transition,
    at: new Date(at).toISOString(),
    ...(reason !== undefined && { reason }),
  };
}

type AnyTransition = RecordedTransition | NonNullable<RegisteredBreaker["last"]>;
