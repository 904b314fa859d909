import { heartbeatOf } from "../../shared/heartbeats/apply.ts";
import type { PingKind } from "../../shared/heartbeats/rules/heartbeat.ts";
import { MAX_PING_BODY_BYTES } from "../../shared/heartbeats/rules/rpc.ts";
import { beginningOf } from "../../shared/http/beginning.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { hasRoom, tooMany } from "./rate-limits.ts";

/**
 * Pings, as healthchecks.io answers them (https://healthchecks.io/docs/http_api). A
 * person who has a token learns nothing except that it is one. Nothing here needs D1.
 */

const OBJECT_TIMEOUT_MS = 10_000;

type Pinged = {
  env: ApiEnv;
  request: Request;
  token: string;
  signal: string | null;
  rid: string | undefined;
};

type Answered = Promise<Result<Response, Failure>>;

async function take({ env, request, token, signal, rid }: Pinged): Answered {
  if (!(await hasRoom(env.RATE_LIMIT_KEY, `ping:${token}`))) return tooMany;
  const { kind, exitStatus } = meaningOf(signal);
  const body = await beginningOf(request.body, MAX_PING_BODY_BYTES);
  const ping = { kind, rid: rid ?? null, exitStatus, method: request.method, body };
  try {
    const taken = await within(OBJECT_TIMEOUT_MS, heartbeatOf(env, token).ping(ping));
    if (!taken.ok || !taken.value.isKnown) return fail({ tag: "not-found", what: "heartbeat" });
    const headers = {
      "Cache-Control": "no-store",
      "Content-Type": "text/plain; charset=utf-8",
      "Ping-Body-Limit": String(MAX_PING_BODY_BYTES),
    };
    return ok(new Response("OK", { headers }));
  } catch (error) {
    log("error", "heartbeat.unreachable", describeError(error));
    return fail({ tag: "unavailable", dependency: "heartbeat" });
  }
}
/** The exit status 0 is success, and others are failures. */
function meaningOf(signal: string | null): { kind: PingKind; exitStatus: number | null } {
  switch (signal) {
    case null:
      return { kind: "success", exitStatus: null };
    case "start":
    case "fail":
    case "log":
      return { kind: signal, exitStatus: null };
    default: {
      const exitStatus = Number(signal);
      return { kind: exitStatus === 0 ? "success" : "fail", exitStatus };
    }
  }
}

export const pingHeartbeat: Handler<"pingHeartbeat"> = async ({ params, query, env, request }) =>
  await take({ env, request, token: params.token, signal: null, rid: query.rid });

export const postPing: Handler<"postPing"> = async ({ params, query, env, request }) =>
  await take({ env, request, token: params.token, signal: null, rid: query.rid });

export const signalHeartbeat: Handler<"signalHeartbeat"> = async ({
  params: { token, signal },
  query,
  env,
  request,
}) => await take({ env, request, token, signal, rid: query.rid });

export const postSignal: Handler<"postSignal"> = async ({
  params: { token, signal },
  query,
  env,
  request,
}) => await take({ env, request, token, signal, rid: query.rid });
