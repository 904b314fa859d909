import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { callApi, type Answer } from "../support/http.ts";
import { CONDITION_TIMEOUT_MS } from "../support/limits.ts";
import { wrongWithLine } from "../support/log-rules.ts";

/**
 * Below those that systems give to connections of their own: one of theirs may be gone again by the
 * time that a process listens on it.
 */
const PORTS = { from: 20_000, to: 30_000 };

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

/**
 * The `.dev.vars` of a developer is neither read nor written: it lies beside the state of the run.
 */
export const ofItsOwn = (env: Record<string, string>): Record<string, string> => ({
  ...env,
  DEV_VARS: join(env["STATE_DIR"] ?? "", ".dev.vars"),
});

/** The variables with which a run uses a mail server of the test's own. */
export function mailServerAt(port: number): Record<string, string> {
  return {
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(port),
    SMTP_SECURITY: "none",
    SMTP_USERNAME: "",
    SMTP_PASSWORD: "",
  };
}

/** A program in a process group of its own, with what it starts. */
export class ProcessGroup {
  output = "";
  readonly pid: number;
  readonly exited: Promise<number | null>;
  readonly #stateDir: string;

  constructor(command: string, args: string[], env: Record<string, string>) {
    this.#stateDir = env["STATE_DIR"] ?? "";
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    if (child.pid === undefined) throw new Error(`${command} cannot be started`);
    this.pid = child.pid;
    this.exited = new Promise((resolve) => child.once("exit", resolve));
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (this.output += text));
  }

  /** What this run began, in any process group: all of it inherits STATE_DIR. */
  processes(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) =>
        read(`/proc/${pid}/environ`).split("\0").includes(`STATE_DIR=${this.#stateDir}`),
      );
  }

  /** @throws Error if a process of this run stays */
  async gone(): Promise<void> {
    // Not `eventually`, which works only inside Vitest: `npm run chaos` uses this class, too.
    const deadline = Date.now() + CONDITION_TIMEOUT_MS;
    let left = this.processes();
    while (left.length > 0 && Date.now() < deadline) {
      await sleep(50);
      left = this.processes();
    }
    const commands = left.map((pid) => read(`/proc/${pid}/cmdline`).replaceAll("\0", " "));
    if (left.length > 0) throw new Error(`left behind: ${commands.join("; ")}`);
  }

  /**
   * Nothing stays behind.
   *
   * @throws Error if it logged what no log line may have
   */
  async destroy(): Promise<void> {
    try {
      process.kill(-this.pid, "SIGKILL");
      await this.exited;
      await this.gone();
    } catch {
      // It has ended.
    }
    this.checkLog();
  }

  /** @throws Error if it logged what no log line may have */
  checkLog(): void {
    // Wrangler names the Worker of a line where there are several Workers. What a process died in
    // the middle of is no line.
    const lines = this.output.split("\n").slice(0, -1);
    const wrong = lines.flatMap((line) => logged(line).flatMap(wrongWithLine));
    if (wrong.length > 0) throw new Error(`log lines: ${wrong.join("; ")}`);
  }
}

/** The real `npm start`. */
export class Luna extends ProcessGroup {
  constructor(env: Record<string, string>) {
    super("npm", ["start"], ofItsOwn(env));
  }

  /** Waits for the line `ready http://localhost:<port>`. */
  async ready(): Promise<this> {
    const exited = this.exited.then((code) => {
      throw new Error(`ended with ${code} before it was ready:\n${this.output}`);
    });
    await Promise.race([exited, this.#saidReady()]);
    return this;
  }

  async #saidReady(): Promise<void> {
    while (!/^ready http/m.test(this.output))
      await new Promise((resolve) => setTimeout(resolve, 50));
  }

  get token(): string {
    return /admin token +(\S+)/.exec(this.output)?.[1] ?? "";
  }

  get url(): string {
    return /^ready (\S+)/m.exec(this.output)?.[1] ?? "";
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return callApi((at, init) => fetch(`${this.url}${at}`, init), {
      method,
      path,
      body,
      token: this.token,
    });
  }

  /**
   * Signals npm alone, as a supervisor does, its whole group, as a terminal does on Ctrl-C, or only
   * the script that npm runs, as the system does when memory runs out.
   *
   * @throws Error if a process of this run stays, or if it logged what no log line may have
   */
  async signal(
    signal: "SIGTERM" | "SIGINT" | "SIGKILL",
    to: "npm" | "group" | "script" = "npm",
  ): Promise<number | null> {
    const script = this.processes().find(isScript) ?? this.pid;
    process.kill({ npm: this.pid, group: -this.pid, script }[to], signal);
    const code = await this.exited;
    await this.gone();
    this.checkLog();
    return code;
  }

  async exitCode(): Promise<number | null> {
    return await this.exited;
  }
}

/** The log line that a line of output is or has. */
const logged = (line: string): string[] => /^(?:\[luna-\w+\] )?(\{.*)$/.exec(line)?.slice(1) ?? [];

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const isScript = (pid: number): boolean =>
  /^node\0scripts\/start\.ts\0$/.test(read(`/proc/${pid}/cmdline`));

/** The local D1's own file, while nothing runs. */
export function openDatabase(stateDir: string): DatabaseSync {
  const directory = join(stateDir, "v3/d1/miniflare-D1DatabaseObject");
  const file = readdirSync(directory).find(
    (name) => name.endsWith(".sqlite") && name !== "metadata.sqlite",
  );
  if (file === undefined) throw new Error(`no database in ${directory}`);
  // The system may not have taken its locks back yet from the process that was killed just now.
  return new DatabaseSync(join(directory, file), { timeout: CONDITION_TIMEOUT_MS });
}
