import { systemClock, type Clock } from "./clock.ts";

/**
 * Waits for a promise, but not for longer than `ms`.
 *
 * @throws DOMException `TimeoutError` when the time is over; the promise is ignored from then on
 */
export async function within<Work extends PromiseLike<unknown>>(
  ms: number,
  promise: Work,
  clock: Clock = systemClock,
): Promise<Awaited<Work>> {
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
