import type { Clock } from "../lib/base/clock.ts";
import { cut } from "../lib/base/cut.ts";
import { mayPass } from "./rules/attempts.ts";
import type { TaskError } from "./rules/runs.ts";

/** `signal` is aborted at the run's timeout. What the task does afterwards is ignored. */
export type RunControls = {
  signal: AbortSignal;
  /**
   * Adds work that may outlive the task's own promise. The run ends when this work has ended, and
   * fails if it fails.
   */
  waitUntil: (work: Promise<unknown>) => void;
};

export type RunEnd =
  | { status: "success"; duration: number; result: unknown }
  | { status: "failure"; duration: number; error: TaskError; mayPass: boolean };

/**
 * Runs a task to its end or its timeout. `limitMs`: the whole time limit, of which `timeoutMs` is
 * left. `mayPass`: another attempt may succeed. Never rejects, even if the task throws a value that
 * is not an Error, throws before it returns a promise, never settles, or fails in work passed to
 * `waitUntil`.
 */
export async function runToEnd(
  run: (controls: RunControls) => unknown,
  { timeoutMs, limitMs = timeoutMs }: { timeoutMs: number; limitMs?: number },
  clock: Clock,
): Promise<RunEnd> {
  const startedAt = clock.now();
  const abort = new AbortController();
  const pending: Promise<unknown>[] = [];
  const durationMs = (): number => Math.max(clock.now() - startedAt, 0);
  let cancel: (() => void) | undefined;
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.after(timeoutMs, () => {
      const error = new DOMException(`did not end within ${limitMs} ms`, "TimeoutError");
      abort.abort(error);
      reject(error);
    });
  });
  const waitUntil = (work: Promise<unknown>): void => {
    // It may fail before it is awaited, or after the timeout.
    work.catch(() => undefined);
    pending.push(work);
  };
  const work = async (): Promise<unknown> => {
    const result = await run({ signal: abort.signal, waitUntil });
    await settled(pending);
    // Throws here, in the task's run, if the result cannot be recorded.
    JSON.stringify(result);
    return result;
  };
  try {
    const result = await Promise.race([work(), timeout]);
    return { status: "success", duration: durationMs(), result };
  } catch (error) {
    return {
      status: "failure",
      duration: durationMs(),
      error: taskError(error),
      mayPass: !abort.signal.aborted && mayPass(error),
    };
  } finally {
    cancel?.();
  }
}

/** Waits for all pending work, including work that it adds meanwhile. */
async function settled(pending: Promise<unknown>[]): Promise<void> {
  for (let done = 0; done < pending.length;) {
    const round = await Promise.allSettled(pending.slice(done));
    done += round.length;
    const failed = round.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

const MAX_TEXT_LENGTH = 4_000;

/** Any thrown value as a readable error. */
export function taskError(thrown: unknown): TaskError {
  if (!(thrown instanceof Error) && !(thrown instanceof DOMException))
    return { message: cut(textOf(thrown), MAX_TEXT_LENGTH) };
  // At run time these may be any value, despite their types.
  const message: unknown = thrown.message === "" ? thrown.name : thrown.message;
  const stack: unknown = thrown.stack;
  const error: TaskError = { message: cut(textOf(message), MAX_TEXT_LENGTH) };
  return typeof stack === "string" ? { ...error, stack: cut(stack, MAX_TEXT_LENGTH) } : error;
}

function textOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}
