import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { CACHE_BREAKER } from "../../shared/lib/cache/rules/index.ts";
import type {
  CircuitBreaker,
  Inspection,
  RecordedTransition,
} from "../../shared/lib/circuit-breaker/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import type { Invalid } from "../../shared/lib/worker/validate.ts";
import type { ApiEnv } from "../env.ts";
import { json, type CallerOf, type Handler } from "./call.ts";

/** After this an operator gets an error instead of waiting for the object. */
const OBJECT_TIMEOUT_MS = 2_000;

type Stub = DurableObjectStub<CircuitBreaker>;

/** Every breaker. One whose object does not answer is UNREACHABLE and hides no other. */
export const listCircuitBreakers: Handler<"listCircuitBreakers"> = async ({ env }) => {
  const breakers = await inspectAll(env);
  return json({
    items: breakers.map(({ name, inspection }) =>
      inspection === null ? { name, state: "UNREACHABLE" } : inspectionView(name, inspection),
    ),
  });
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
    items: transitions.map(transitionView),
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
  return applied.value.ok ? json(inspectionView(name, applied.value.value)) : applied.value;
}

async function ask<Reply>(
  env: ApiEnv,
  name: string,
  question: (stub: Stub) => Promise<Reply>,
  unanswered: Failure = { tag: "unavailable", dependency: "circuit breaker" },
): Promise<Result<Reply, Failure>> {
  try {
    return ok(await within(OBJECT_TIMEOUT_MS, question(getStub(env.CIRCUIT_BREAKER, name, env))));
  } catch (error) {
    log("error", "circuit_breaker.unreachable", { dependency: name, ...describeError(error) });
    return fail(unanswered);
  }
}

function inspectionView(
  name: string,
  { state, epoch, failures, calls, retryAfterMs, override, last }: Inspection,
) {
  const view = { name, state, override: override.kind, epoch, failures, calls, retryAfterMs };
  return last === null ? view : { ...view, lastTransition: transitionView(last) };
}

function transitionView({ at, ...transition }: RecordedTransition) {
  return { ...transition, at: new Date(at).toISOString() };
}
