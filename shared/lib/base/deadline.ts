import { systemClock, type Clock } from "./clock.ts";

/**
 * Waits for a promise, but not for longer than `ms`.
 *
 * @throws DOMException `TimeoutError` when the time is over; what the promise does later is ignored
 */
export async function within<Value>(
  ms: number,
  promise: Promise<Value>,
  clock: Clock = systemClock,
): Promise<Value> {
  let cancel: (() => void) | undefined;
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () =>
      reject(new DOMException(`no answer within ${ms} ms`, "TimeoutError")),
    );
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    cancel?.();
  }
}
