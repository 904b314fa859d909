import type * as v from "valibot";
import * as contract from "../../shared/contract/circuit-breakers.ts";
import { isDependency } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type {
  CircuitBreaker,
  Inspection,
  CommandOrigin,
  RecordedTransition,
} from "../../shared/lib/circuit-breaker/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { type Invalid, validate } from "../../shared/lib/worker/validate.ts";
import type { ApiEnv } from "../env.ts";
import { json, pathParam, type Call, type Handler } from "./call.ts";

/** An operator would rather hear that the object does not answer than wait. */
const OBJECT_TIMEOUT_MS = 2_000;

type Stub = DurableObjectStub<CircuitBreaker>;

/** Every breaker as its object has it. One that does not answer says so and hides no other. */
export const listCircuitBreakers: Handler = async ({ env }) => {
  const breakers = await inspectAll(env);
  return json({
    items: breakers.map(({ name, inspection }) =>
      inspection === null ? { name, state: "UNREACHABLE" } : inspectionView(name, inspection),
    ),
  });
};

/** Transitions, newest first. `nextCursor` is there while more follow. */
export const circuitBreakerHistory: Handler = async ({ env, params, url }) => {
  const name = nameOf(params);
  if (name === null) return fail(noSuchBreaker);
  const query = validate(
    contract.circuitBreakerHistory.query,
    Object.fromEntries(url.searchParams),
  );
  if (!query.ok) return query;
  const { limit, cursor } = query.value;
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

export const resetCircuitBreaker = verb(contract.resetCircuitBreaker.body, (stub, by) =>
  stub.reset(by),
);
export const closeCircuitBreaker = verb(contract.closeCircuitBreaker.body, (stub, by) =>
  stub.forceClose(by),
);
export const disableCircuitBreaker = verb(contract.disableCircuitBreaker.body, (stub, by) =>
  stub.disable(by),
);
export const enableCircuitBreaker = verb(contract.enableCircuitBreaker.body, (stub, by) =>
  stub.enable(by),
);
export const openCircuitBreaker = verb(contract.openCircuitBreaker.body, (stub, by) =>
  stub.forceOpen(by),
);

/** An operator's verb: who and why go into the history, and the breaker as it is now comes back. */
function verb<Schema extends v.GenericSchema<unknown, { reason: string }>>(
  schema: Schema,
  give: (
    stub: Stub,
    by: CommandOrigin & v.InferOutput<Schema>,
  ) => Promise<Result<Inspection, Invalid>>,
): Handler {
  return async ({ request, env, params, caller }: Call) => {
    const name = nameOf(params);
    if (name === null) return fail(noSuchBreaker);
    const body = await readJson(request, schema);
    if (!body.ok) return body;
    const actor = caller.role === "admin" ? caller.actor : caller.role;
    // A command without a reply may have taken effect.
    const obeyed = await ask(env, name, (stub) => give(stub, { ...body.value, actor }), {
      tag: "outcome-unknown",
    });
    if (!obeyed.ok) return obeyed;
    return obeyed.value.ok ? json(inspectionView(name, obeyed.value.value)) : obeyed.value;
  };
}

const resetCache = verb(contract.resetCacheBreaker.body, (stub, by) => stub.reset(by));

/** Resets the breaker of the cache, without having to know its name or to give a reason. */
export const resetCacheBreaker: Handler = (call) =>
  resetCache({ ...call, params: { name: "cache" } });

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

const noSuchBreaker: Failure = { tag: "not-found", what: "circuit breaker" };

function nameOf(params: Record<string, string>): string | null {
  const name = pathParam(params, "name") ?? "";
  return isDependency(name) ? name : null;
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
