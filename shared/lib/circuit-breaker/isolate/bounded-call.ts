import type { Clock } from "../../base/clock.ts";

/**
 * A call to a dependency. It should stop when the signal aborts. A result that comes later is
 * ignored in any case.
 */
export type GuardedCall<Value> = (signal: AbortSignal | undefined) => Promise<Value>;

/** The dependency did not answer within its timeout. Always counts as its failure. */
export class CallTimeout extends Error {
  override readonly name = "TimeoutError";

  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/** The caller has no time left. This is no evidence about the dependency. */
class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";

  constructor(ms: number) {
    super(`the caller's ${ms} ms are over`);
  }
}

/**
 * Runs a call for at most `timeoutMs` (null: no limit), and until the caller aborts it.
 *
 * @throws CallTimeout; the signal's reason when the caller aborts; else what the call throws
 */
export async function boundedCall<Value>(
  call: GuardedCall<Value>,
  timeoutMs: number | null,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<Value> {
  signal?.throwIfAborted();
  return await abortable(
    timeoutMs === null ? null : { ms: timeoutMs, error: CallTimeout },
    signal,
    clock,
    call,
  );
}

/**
 * Gives work a signal that aborts after `ms`. It uses a timer, so a clock that is set back does not
 * make it longer.
 *
 * @throws DeadlineExceeded; the work may go on after that
 */
export async function withDeadline<Value>(
  ms: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  return await abortable({ ms, error: DeadlineExceeded }, undefined, clock, work);
}

async function abortable<Value>(
  // A class and not an error: an error has a stack, which would be most of the cost of a call that
  // needs none.
  limit: { ms: number; error: new (ms: number) => Error } | null,
  signal: AbortSignal | undefined,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const controller = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason as Error), {
      once: true,
    });
  });
  const cancel =
    limit === null
      ? null
      : clock.after(limit.ms, () => controller.abort(new limit.error(limit.ms)));
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work(controller.signal), stopped]);
  } finally {
    cancel?.();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Starts a call. One that throws before it returns a promise fails like any other. */
export function started<Value>(call: GuardedCall<Value>): Promise<Value> {
  try {
    return call(undefined);
  } catch (error) {
    return Promise.reject(error);
  }
}
