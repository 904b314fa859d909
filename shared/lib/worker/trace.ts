import { AsyncLocalStorage } from "node:async_hooks";
import { setLogContext } from "./log.ts";

/**
 * Which trace the work belongs to that runs now: one id from a request to the queue and the
 * transport of the mails that it brings. Each line of the log tells it.
 */

type Trace = { traceId: string; requestId?: string };

const current = new AsyncLocalStorage<Trace>();
setLogContext(() => current.getStore() ?? {});

/** Runs work, and whatever it begins, as a part of a trace. */
export function traced<Value>(trace: Trace, work: () => Value): Value {
  return current.run(trace, work);
}

/** Null outside of any trace. */
export function currentTraceId(): string | null {
  return current.getStore()?.traceId ?? null;
}

/** 32 hexadecimal digits, as W3C Trace Context has them. */
export function newTraceId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

const TRACEPARENT =
  /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(-.*)?$/;

/**
 * The trace that a caller is in, by its `traceparent`
 * (https://www.w3.org/TR/trace-context/#traceparent-header): later versions may say more behind it,
 * version 00 may not.
 *
 * @returns null for one that is malformed, which is to be ignored
 */
export function traceIdOf(traceparent: string): string | null {
  const [, traceId = null, more] = TRACEPARENT.exec(traceparent) ?? [];
  return more !== undefined && traceparent.startsWith("00") ? null : traceId;
}
