import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { call, type Answer } from "../support/http.ts";

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The real `npm start`, in a process group of its own. */
export class Luna {
  output = "";
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  constructor(env: Record<string, string>) {
    this.#child = spawn("npm", ["start"], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#exited = new Promise((resolve) => this.#child.once("exit", resolve));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
  }

  /** Waits for the line `ready http://localhost:<port>`. */
  async ready(): Promise<this> {
    const exited = this.#exited.then((code) => {
      throw new Error(`ended with ${code} before it was ready:\n${this.output}`);
    });
    await Promise.race([exited, this.#saidReady()]);
    return this;
  }

  async #saidReady(): Promise<void> {
    while (!/^ready http/m.test(this.output)) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  get token(): string {
    return /admin token +(\S+)/.exec(this.output)?.[1] ?? "";
  }

  get url(): string {
    return /^ready (\S+)/m.exec(this.output)?.[1] ?? "";
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return call((at, init) => fetch(`${this.url}${at}`, init), method, path, body, { token: this.token });
  }

  /** Signals npm alone, as a supervisor does, or its whole group, as a terminal does on Ctrl-C. */
  async signal(signal: "SIGTERM" | "SIGINT" | "SIGKILL", to: "npm" | "group" = "npm"): Promise<number | null> {
    const { pid } = this.#child;
    if (pid !== undefined) process.kill(to === "group" ? -pid : pid, signal);
    const code = await this.#exited;
    await this.#groupGone();
    return code;
  }

  async exitCode(): Promise<number | null> {
    return await this.#exited;
  }

  /** Throws what is left of the group if it is still there after ten seconds. */
  async #groupGone(): Promise<void> {
    const { pid } = this.#child;
    for (let tries = 0; tries < 100; tries += 1) {
      try {
        process.kill(-(pid ?? 0), 0);
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("processes are left behind");
  }

  /** Whatever happened, nothing stays behind. */
  async destroy(): Promise<void> {
    try {
      await this.signal("SIGKILL", "group");
    } catch {
      // It has ended.
    }
  }
}

/** The local D1's own file, while nothing runs. */
export function openDatabase(stateDir: string): DatabaseSync {
  const directory = join(stateDir, "v3/d1/miniflare-D1DatabaseObject");
  const file = readdirSync(directory).find((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  if (file === undefined) throw new Error(`no database in ${directory}`);
  return new DatabaseSync(join(directory, file));
}
