import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";

const supervisor = join(import.meta.dirname, "supervise.ts");

/** `onLine` gets the output line by line. `signal` ends this program alone. */
type RunOptions = {
  env: NodeJS.ProcessEnv;
  onLine: (line: string) => void;
  signal?: AbortSignal;
};

/**
 * The programs of one run, all of which end with it. Each has a supervisor, outside the terminal's
 * group, so that Ctrl-C reaches this process alone and the order of ending is ours.
 */
export class Processes {
  readonly #supervisors: { process: ChildProcess; ended: Promise<number | null> }[] = [];
  #stopping = false;

  /**
   * Starts a program, except after `stop`.
   *
   * @returns its exit code; never settles when it was ended by `stop`
   */
  async run(
    command: string,
    args: string[],
    { env, onLine, signal }: RunOptions,
  ): Promise<number | null> {
    if (this.#stopping) return await new Promise(() => undefined);
    const child = spawn(process.execPath, [supervisor, command, ...args], {
      env,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    this.#supervisors.push({ process: child, ended });
    signal?.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        lines.forEach(onLine);
      });
    }
    const code = await ended;
    return this.#stopping ? await new Promise(() => undefined) : code;
  }

  /** Ends every program with what it started: asked first, after five seconds forced. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { process: child } of this.#supervisors) child.kill("SIGTERM");
    await Promise.all(this.#supervisors.map(({ ended }) => ended));
  }
}
