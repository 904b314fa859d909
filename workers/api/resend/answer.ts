import { MAX_REQUEST_BYTES } from "../../../shared/email/rules/large-files.ts";
import { readText } from "../../../shared/http/body.ts";
import { BodyRoom } from "../../../shared/http/large-bodies.ts";
import { fail, type Result } from "../../../shared/lib/base/result.ts";
import type { ApiEnv } from "../../env.ts";
import { dispatch } from "../dispatch.ts";
import {
  callToCancel,
  cursorAfter,
  callToGet,
  callToList,
  callToSendBatch,
  callToSend,
  callToUpdate,
  type TranslatedCall,
} from "./calls.ts";
import { resendProblem, unsupported, type LunaProblem, type ResendProblem } from "./problems.ts";
import { lunaPage } from "./requests.ts";

/**
 * Resend's API (https://resend.com/docs/api-reference) under `/resend`: a call is translated, made
 * as a call of Luna's API, with its access, limits and audit, and its answer translated back.
 */

const PREFIX = "/resend/";

export const isResendPath = ({ pathname }: URL): boolean => pathname.startsWith(PREFIX);

export async function answerResend(request: Request, env: ApiEnv): Promise<Response> {
  const url = new URL(request.url);
  const call = await callOf(request, env, url);
  if (call instanceof Response) return call;
  // Luna answers that there is no such path, and counts it for the network.
  if (call === null) {
    const answer = await dispatch(request, env);
    return problemAnswer(notSupported(request.method, url), answer.headers);
  }
  return await make(call, request, env);
}

const notSupported = (method: string, { pathname }: URL): ResendProblem => ({
  ...unsupported(`${method} /${pathname.slice(PREFIX.length)} of Resend's API`),
  statusCode: 404,
  name: "not_found",
});

/** @returns null for a call that Luna does not support */
async function callOf(
  request: Request,
  env: ApiEnv,
  url: URL,
): Promise<TranslatedCall | Response | null> {
  const now = Date.now();
  const hasKey = request.headers.has("Idempotency-Key");
  const [first, id, act, ...more] = url.pathname.slice(PREFIX.length).split("/");
  if (first !== "emails" || more.length > 0 || (id !== undefined && !isId.test(id))) return null;
  const path = [first, ...(id === undefined ? [] : [":id"]), ...(act === undefined ? [] : [act])];
  switch (`${request.method} ${path.join("/")}`) {
    case "POST emails":
      return callToSend(now, hasKey);
    case "GET emails":
      return await pageOf(request, env, url);
    case "POST emails/:id":
      return id === "batch"
        ? callToSendBatch(env, { validation: validationOf(request), hasKey }, now)
        : null;
    case "GET emails/:id":
      return id === undefined || id === "metrics" ? null : callToGet(id);
    case "PATCH emails/:id":
      return id === undefined ? null : callToUpdate(id, now);
    case "POST emails/:id/cancel":
      return id === undefined ? null : callToCancel(id);
    default:
      return null;
  }
}

const isId = /^[\w-]{1,100}$/;

const validationOf = ({ headers }: Request): "strict" | "permissive" =>
  headers.get("x-batch-validation") === "permissive" ? "permissive" : "strict";

async function pageOf(request: Request, env: ApiEnv, url: URL): Promise<TranslatedCall | Response> {
  const page = lunaPage(url.searchParams);
  if (!page.ok) return problemAnswer(page.error, new Headers());
  const after = url.searchParams.get("after");
  if (after === null) return callToList(page.value.limit, null);
  if (!isId.test(after)) return problemAnswer(unsupported("this `after`"), new Headers());
  const found = await make(cursorAfter(after), request, env);
  if (!found.ok) return found;
  const { cursor } = await found.json<{ cursor: string }>();
  return callToList(page.value.limit, cursor);
}

/** Makes a call of Luna's API for the caller of `request`. */
async function make(call: TranslatedCall, request: Request, env: ApiEnv): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.delete("Content-Length");
  headers.set("Accept", "application/json");
  const body = call.body === undefined ? null : new TranslatedBody(request, call.body);
  const inner = new Request(new URL(call.path, request.url), {
    method: call.method,
    headers,
    body: body === null ? null : body.stream,
  });
  const answer = await dispatch(inner, env);
  const outcome = await outcomeOf(call, body?.problem ?? null, answer, headers);
  if (!outcome.ok) return problemAnswer(outcome.error, answer.headers);
  return Response.json(outcome.value, { status: 200, headers: keptHeaders(answer.headers) });
}

/** A body is translated only for a caller who may make the call. */
async function outcomeOf(
  call: TranslatedCall,
  ofBody: ResendProblem | null,
  answer: Response,
  headers: Headers,
): Promise<Result<object, ResendProblem>> {
  const body: unknown = await answer.json();
  if (ofBody !== null) return fail(ofBody);
  return answer.ok
    ? call.answer(body)
    : fail(resendProblem(body as LunaProblem, headers.has("Authorization")));
}

function problemAnswer(problem: ResendProblem, headers: Headers): Response {
  return Response.json(problem, { status: problem.statusCode, headers: keptHeaders(headers) });
}

function keptHeaders(given: Headers): Headers {
  const headers = new Headers(given);
  for (const name of ["Content-Type", "Content-Length", "Location", "Vary"]) headers.delete(name);
  return headers;
}

/**
 * The body of a request, translated when it is read: that is after the limit of the caller has been
 * checked. A body that cannot be translated becomes one that Luna refuses.
 */
class TranslatedBody {
  problem: ResendProblem | null = null;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(request: Request, translate: NonNullable<TranslatedCall["body"]>) {
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      const room = new BodyRoom();
      const text = await readText(request, { limitBytes: MAX_REQUEST_BYTES, room });
      try {
        if (!text.ok && text.error.tag === "aborted") {
          controller.error(new Error("the request broke off"));
          return;
        }
        const body = text.ok
          ? this.#translated(text.value, translate)
          : this.#refuse(text.error.tag === "rate-limited" ? tooMany : tooLarge);
        controller.enqueue(new TextEncoder().encode(body));
        controller.close();
      } finally {
        room.release();
      }
    };
    // Without it the stream reads ahead.
    this.stream = new ReadableStream({ pull }, { highWaterMark: 0 });
  }

  #translated(text: string, translate: NonNullable<TranslatedCall["body"]>): string {
    let given: unknown;
    try {
      given = JSON.parse(text);
    } catch {
      return text;
    }
    const translated = translate(given);
    return translated.ok ? JSON.stringify(translated.value) : this.#refuse(translated.error);
  }

  #refuse(problem: ResendProblem): string {
    this.problem = problem;
    return "[]";
  }
}

const tooMany: ResendProblem = {
  statusCode: 429,
  name: "rate_limit_exceeded",
  message: "Too many large requests are being read. Repeat this one after a second.",
};
const tooLarge: ResendProblem = {
  statusCode: 413,
  name: "validation_error",
  message: `The body may have at most ${MAX_REQUEST_BYTES} bytes.`,
};
