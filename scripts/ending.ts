import type { Processes } from "./processes.ts";

/**
 * Ends this process with all that it started: on Ctrl-C and its like, when its parent is gone, and
 * when `fail` is called.
 *
 * @returns ends everything with 1, and prints why
 */
export function endsWith(processes: Pick<Processes, "stop">): (error: unknown) => void {
  let ending = false;
  const end = async (reason: string | null): Promise<void> => {
    if (ending) return;
    ending = true;
    if (reason !== null) process.stderr.write(`luna: ${reason}\n`);
    await processes.stop();
    process.exit(reason === null ? 0 : 1);
  };
  // A killed npm cannot pass a signal on; this process then gets another parent.
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || void end(null), 1_000).unref();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => void end(null));
  return (error) => void end(error instanceof Error ? error.message : String(error));
}
