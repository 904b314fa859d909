import type { Clock } from "../lib/base/clock.ts";
import type { TaskError } from "./rules/runs.ts";

/**
 * What a task is given. `signal` is aborted when its time is over: what it does afterwards counts
 * for nothing.
 */
export type RunContext = {
  signal: AbortSignal;
  /**
   * Work that may go on after the task's own promise has settled; the run ends when it has. If it
   * fails, so has the run.
   */
  waitUntil: (work: Promise<unknown>) => void;
};

export type Ended =
  | { status: "success"; duration: number; result: unknown }
  | { status: "failure"; duration: number; error: TaskError };

/**
 * Runs a task to its end, or until its time is over. Never rejects, whatever the task does: throws
 * what is no Error, throws before it returns a promise, never settles, or fails in work that it
 * left behind.
 */
export async function runToEnd(
  run: (context: RunContext) => unknown,
  timeoutMs: number,
  clock: Clock,
): Promise<Ended> {
  const startedAt = clock.now();
  const abort = new AbortController();
  const left: Promise<unknown>[] = [];
  const durationMs = (): number => Math.max(clock.now() - startedAt, 0);
  let cancel: (() => void) | undefined;
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.after(timeoutMs, () => {
      const error = new DOMException(`did not end within ${timeoutMs} ms`, "TimeoutError");
      abort.abort(error);
      reject(error);
    });
  });
  const waitUntil = (work: Promise<unknown>): void => {
    // It may fail before anybody looks, or after everybody has left.
    work.catch(() => undefined);
    left.push(work);
  };
  const work = async (): Promise<unknown> => {
    const result = await run({ signal: abort.signal, waitUntil });
    await settled(left);
    // What cannot be written down would break whoever records it.
    JSON.stringify(result);
    return result;
  };
  try {
    const result = await Promise.race([work(), timeout]);
    return { status: "success", duration: durationMs(), result };
  } catch (error) {
    return { status: "failure", duration: durationMs(), error: taskError(error) };
  } finally {
    cancel?.();
  }
}

/** Work may leave more work behind. */
async function settled(left: Promise<unknown>[]): Promise<void> {
  for (let done = 0; done < left.length;) {
    const round = await Promise.allSettled(left.slice(done));
    done += round.length;
    const failed = round.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

const MAX_TEXT_LENGTH = 4_000;

/** Whatever was thrown, as something to read. */
export function taskError(thrown: unknown): TaskError {
  if (!(thrown instanceof Error) && !(thrown instanceof DOMException))
    return { message: textOf(thrown).slice(0, MAX_TEXT_LENGTH) };
  // Code that throws may have put anything there, whatever its type says.
  const said: unknown = thrown.message === "" ? thrown.name : thrown.message;
  const stack: unknown = thrown.stack;
  const error: TaskError = { message: textOf(said).slice(0, MAX_TEXT_LENGTH) };
  return typeof stack === "string" ? { ...error, stack: stack.slice(0, MAX_TEXT_LENGTH) } : error;
}

function textOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}
