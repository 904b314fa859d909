import type { Clock } from "../../base/clock.ts";

/**
 * A call to a dependency. It should stop when the signal aborts; whether it does or not, its late
 * result is ignored.
 */
export type Operation<Value> = (signal: AbortSignal | undefined) => Promise<Value>;

/** A dependency that did not answer in its time. Always its fault. */
export class CallTimeout extends Error {
  override readonly name = "TimeoutError";

  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/** A call that was ended since its caller has no more time. Says nothing about the dependency. */
class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";

  constructor(ms: number) {
    super(`the caller's ${ms} ms are over`);
  }
}

/**
 * Runs an operation for at most `timeoutMs` (null: as long as it takes) and for as long as the
 * caller wants it.
 *
 * @throws CallTimeout, the signal's reason when the caller aborts, else what the operation throws
 */
export async function attempt<Value>(
  operation: Operation<Value>,
  timeoutMs: number | null,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<Value> {
  signal?.throwIfAborted();
  return await abortable(
    timeoutMs === null ? null : { ms: timeoutMs, error: CallTimeout },
    signal,
    clock,
    operation,
  );
}

/**
 * Gives work a signal that aborts after `ms`, by a timer: a clock that is set back makes it no
 * longer.
 *
 * @throws DeadlineExceeded, though the work goes on
 */
export async function withDeadline<Value>(
  ms: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  return await abortable({ ms, error: DeadlineExceeded }, undefined, clock, work);
}

async function abortable<Value>(
  // The error is made when the time is over: its stack would be most of what a call costs that
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
