import type { Clock } from "../clock.ts";

/** A call to a dependency. It should stop when the signal aborts; whether it does or not, its late result is ignored. */
export type Operation<Value> = (signal: AbortSignal | undefined) => Promise<Value>;

/** Why a call was ended by its caller's deadline: it says nothing about the dependency. */
export class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";
}

/** When a call is ended, and with what error. */
export type Limit = { ms: number; error: () => Error };

export function timeout(ms: number): Limit {
  return { ms, error: () => new DOMException(`no answer within ${ms} ms`, "TimeoutError") };
}

export function deadline(ms: number): Limit {
  return { ms: Math.max(ms, 0), error: () => new DeadlineExceeded("the caller's deadline is over") };
}

/**
 * Runs an operation until its limit and for as long as the caller wants it.
 *
 * @throws the limit's error, the signal's reason when the caller aborts, else what the operation throws
 */
export async function attempt<Value>(
  operation: Operation<Value>,
  limit: Limit | null,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<Value> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason as Error), { once: true });
  });
  const cancel = limit === null ? null : clock.after(limit.ms, () => controller.abort(limit.error()));
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([operation(controller.signal), stopped]);
  } finally {
    cancel?.();
    signal?.removeEventListener("abort", onAbort);
  }
}
