import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const GRACE_MS = 5_000;

/** The child processes of one run, all of which end with it. */
export class Processes {
  readonly #children: ChildProcess[] = [];
  #stopping = false;

  /**
   * Starts a program; its output is handed over line by line. When it ends before `stop`, `onExit` is told.
   */
  start(
    command: string,
    args: string[],
    env: NodeJS.ProcessEnv,
    onLine: (line: string) => void,
    onExit: (code: number | null) => void,
  ): void {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        lines.forEach(onLine);
      });
    }
    child.once("exit", (code) => {
      if (!this.#stopping) onExit(code);
    });
    child.once("error", (error) => {
      onLine(String(error));
      onExit(null);
    });
  }

  /** Ends every child and what it started: asked first, after five seconds forced. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const alive = this.#children.filter((child) => child.exitCode === null && child.signalCode === null);
    const pids = alive.flatMap((child) => (child.pid === undefined ? [] : [child.pid, ...descendants(child.pid)]));
    const ended = Promise.all(alive.map((child) => new Promise((resolve) => child.once("exit", resolve))));
    for (const child of alive) child.kill("SIGTERM");
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, GRACE_MS))]);
    for (const pid of pids) forceEnd(pid);
  }
}

function forceEnd(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Pids of a process's descendants where the system tells (Linux); elsewhere each child ends its own. */
function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>();
  try {
    for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const parent = parentOf(entry);
      if (parent !== null) parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
    }
  } catch {
    return [];
  }
  const below = (of: number): number[] => (parents.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return null;
  }
}
