import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";
import { tomlVariables, writeLocalConfigs } from "../../scripts/local-configs.ts";
import { httpServer } from "../support/http-server.ts";
import { ADMIN_TOKEN, callApi, type Answer } from "../support/http.ts";
import { CONDITION_TIMEOUT_MS } from "../support/limits.ts";
import { migrateLocally } from "../support/local-database.ts";
import { freePort, ProcessGroup } from "./luna.ts";

/**
 * The points at which a run may be killed: the Workers and the mail server report each, and go on
 * once they are answered.
 */
export class CrashPoints {
  readonly seen = new Set<string>();
  readonly #sinceArmed = new Set<string>();
  #armed: { point: string; holds: RegExp; hit: () => void } | null = null;
  #waiting: { point: string; about: string; reached: () => void }[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = httpServer((request, response) => {
      let text = "";
      request.setEncoding("utf8").on("data", (part: string) => (text += part));
      request.on("end", () => {
        const { point, about } = JSON.parse(text) as { point: string; about: unknown };
        void this.reach(point, about).then(() => response.end());
      });
    });
  }

  /** @returns the address to which points are reported */
  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async reach(point: string, about: unknown = null): Promise<void> {
    this.seen.add(point);
    this.#sinceArmed.add(point);
    for (const { reached } of this.#waiting.filter(
      (one) => one.point === point && JSON.stringify(about).includes(one.about),
    ))
      reached();
    if (this.#armed === null) return;
    const { point: deadly, holds, hit } = this.#armed;
    if (point === deadly) hit();
    if (point === deadly || holds.test(point)) await new Promise(() => undefined);
  }

  /**
   * From now on, each run that reaches `point` stays there.
   *
   * @param holds points that must not be passed meanwhile, where something runs beside what is to
   *   be killed
   * @returns what settles when the point was reached and `kill` was called
   */
  arm(point: string, holds: RegExp, kill: () => void): Promise<void> {
    return this.#within(point, (reached) => {
      let killed = false;
      // Five hand-overs come to the same point, and there is one process group to kill.
      const hit = (): void => {
        if (killed) return;
        killed = true;
        kill();
        reached();
      };
      this.#sinceArmed.clear();
      this.#armed = { point, holds, hit };
    });
  }

  /** @returns the points that were reached since `arm` */
  disarm(): ReadonlySet<string> {
    this.#armed = null;
    return this.#sinceArmed;
  }

  /** Settles when `point` is reached the next time by what is about `about`. */
  next(point: string, about: string): Promise<void> {
    return this.#within(point, (reached) => this.#waiting.push({ point, about, reached }));
  }

  async #within(point: string, wait: (reached: () => void) => void): Promise<void> {
    let expire: ReturnType<typeof setTimeout> | undefined;
    try {
      await new Promise<void>((reached, never) => {
        expire = setTimeout(
          () => never(new Error(`"${point}" never occurred`)),
          CONDITION_TIMEOUT_MS,
        );
        wait(reached);
      });
    } finally {
      clearTimeout(expire);
      this.#waiting = this.#waiting.filter((one) => one.point !== point);
    }
  }
}

type Config = {
  main: string;
  queues: {
    producers: { binding: string; queue: string }[];
    consumers?: { max_batch_timeout: number }[];
  };
};

/**
 * The three Workers of the three TOMLs with crash points around them, on state that outlives each
 * run.
 */
export class CrashingLuna {
  readonly #stateDir: string;
  readonly #environment: Record<string, string>;
  #url = "";
  #run: ProcessGroup | null = null;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.#environment = { ...quietly, STATE_DIR: stateDir };
  }

  /** Builds the Workers once, as a deployment would, and migrates the database. */
  async prepare(variables: Record<string, string>): Promise<void> {
    const directory = join(this.#stateDir, "dev");
    const configs = writeLocalConfigs(directory, { ...tomlVariables(), ...variables, ADMIN_TOKEN });
    const wrangler = (...args: string[]) =>
      promisify(execFile)("wrangler", args, { env: { ...process.env, ...this.#environment } });
    const builds = ["api", "consumer", "cron"].map(async (name, n) => {
      const config = configs[n] ?? "";
      change(config, resolve(`test/process/fixtures/crashing-${name}.ts`));
      await wrangler("deploy", "--dry-run", "--outdir", join(directory, name), "-c", config);
      const { workerOptions } = workerOptionsOf(config);
      const modules = [{ type: "ESModule", path: join(directory, name, `crashing-${name}.js`) }];
      return { ...workerOptions, name: `luna-${name}`, modules, modulesRoot: directory };
    });
    const workers = await Promise.all(builds);
    await migrateLocally(this.#stateDir, configs[0] ?? "", {
      ...process.env,
      ...this.#environment,
    });
    const options = {
      host: "127.0.0.1",
      resourcePersistencePath: join(this.#stateDir, "v3"),
      workers,
    };
    writeFileSync(this.#options, JSON.stringify(options));
  }

  get #options(): string {
    return join(this.#stateDir, "dev/miniflare.json");
  }

  /**
   * A new process group on what the last one left. The runtime without Wrangler around it, which
   * would take most of a run's time.
   */
  async start(): Promise<void> {
    const port = await freePort();
    const args = ["test/process/fixtures/run-miniflare.ts", this.#options, String(port)];
    const run = new ProcessGroup(process.execPath, args, this.#environment);
    this.#run = run;
    this.#url = `http://127.0.0.1:${port}`;
    const deadline = Date.now() + CONDITION_TIMEOUT_MS;
    while (!(await answers(`${this.#url}/health`))) {
      if (Date.now() > deadline)
        throw new Error(`did not answer within ${CONDITION_TIMEOUT_MS / 1_000} s:\n${run.output}`);
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  get runs(): boolean {
    return this.#run !== null;
  }

  get output(): string {
    return this.#run?.output ?? "";
  }

  /** SIGKILL, to everything at once. */
  kill(): void {
    if (this.#run !== null) process.kill(-this.#run.pid, "SIGKILL");
  }

  async gone(): Promise<void> {
    const run = this.#run;
    await run?.exited;
    await run?.gone();
    this.#run = null;
    run?.checkLog();
  }

  async destroy(): Promise<void> {
    await this.#run?.destroy();
    this.#run = null;
  }

  call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return callApi((at, init) => fetch(`${this.#url}${at}`, init), { method, path, body, headers });
  }

  /**
   * Delivers notifications to the consumer once more, as a queue that outlived the crash would. The
   * path is the fixture's own.
   */
  async redeliver(notifications: object[]): Promise<void> {
    await callApi((at, init) => fetch(`${this.#url}${at}`, init), {
      method: "POST",
      path: "/redeliver",
      body: notifications,
      own: true,
    });
  }
}

const quietly = {
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CI: "1",
};

function change(file: string, main: string): void {
  const config: Config = { ...(JSON.parse(readFileSync(file, "utf8")) as Config), main };
  // Nothing is gained by waiting for a fuller batch: the test sends what belongs together at once.
  for (const consumer of config.queues.consumers ?? []) consumer.max_batch_timeout = 0;
  // luna-api has none of its own. Through it the test delivers dead letters again.
  const bindings = config.queues.producers.map(({ binding }) => binding);
  if (!bindings.includes("EMAIL_DLQ"))
    config.queues.producers.push({ binding: "EMAIL_DLQ", queue: "luna-email-dlq" });
  writeFileSync(file, JSON.stringify(config));
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url, { signal: AbortSignal.timeout(30_000) }).then(
    (response) => response.ok,
    () => false,
  );
}
