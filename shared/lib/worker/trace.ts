import { AsyncLocalStorage } from "node:async_hooks";
import { setLogContext } from "./log.ts";

/**
 * The trace of the work that runs now: one id from a request to the delivery of its emails. Each
 * log line has it.
 */

type Trace = { traceId: string; requestId?: string };

const current = new AsyncLocalStorage<Trace>();
setLogContext(() => current.getStore() ?? {});

/** Runs work, and all that it starts, as part of a trace. */
export function traced<Value>(trace: Trace, work: () => Value): Value {
  return current.run(trace, work);
}

/** Null outside a trace. */
export function currentTraceId(): string | null {
  return current.getStore()?.traceId ?? null;
}

/** Null outside a request. */
export function currentRequestId(): string | null {
  return current.getStore()?.requestId ?? null;
}

/** 32 hexadecimal digits, as in W3C Trace Context. */
export function newTraceId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

const TRACEPARENT =
  /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(-.*)?$/;

/**
 * The trace of a caller, by its `traceparent`
 * (https://www.w3.org/TR/trace-context/#traceparent-header). Later versions may have more fields,
 * version 00 may not.
 *
 * @returns null if it is malformed; such a header is ignored
 */
export function traceIdOf(traceparent: string): string | null {
  const [, traceId = null, more] = TRACEPARENT.exec(traceparent) ?? [];
  return more !== undefined && traceparent.startsWith("00") ? null : traceId;
}
