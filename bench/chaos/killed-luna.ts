import { setTimeout as sleep } from "node:timers/promises";
import { Luna } from "../../test/process/luna.ts";
import { callApi, type Answer } from "../../test/support/http.ts";

/** Longer than the API may take. A call that a SIGKILL cuts off fails at once. */
const CALL_TIMEOUT_MS = 20_000;
const PAUSE_MS = 250;

type Kill = { at: number; readyAt: number };

/** The real `npm start`, which is killed and started again on the same state. */
export class KilledLuna {
  readonly kills: Kill[] = [];
  readonly #env: Record<string, string>;
  #luna: Luna | null = null;
  #destroyed = false;

  constructor(env: Record<string, string>) {
    this.#env = env;
  }

  async start(): Promise<void> {
    // `destroy` does not end a start that follows it.
    if (this.#destroyed) return;
    this.#luna = new Luna(this.#env);
    await this.#luna.ready();
  }

  /** @returns what starts it again */
  async kill(): Promise<() => Promise<void>> {
    const at = Date.now();
    await this.#luna?.signal("SIGKILL", "group");
    return async () => {
      await this.start();
      this.kills.push({ at, readyAt: Date.now() });
    };
  }

  get token(): string {
    return this.#luna?.token ?? "";
  }

  /** @throws Error when Luna is down or goes down */
  async fetch(path: string, init: RequestInit): Promise<Response> {
    const url = `${this.#luna?.url ?? ""}${path}`;
    return await fetch(url, { ...init, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
  }

  /** @throws Error when Luna is down or goes down */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const fetchNow = (at: string, init: RequestInit) => this.fetch(at, init);
    return await callApi(fetchNow, { method, path, body, token: this.token, headers });
  }

  /** Repeats a call until `isGood`. Only for calls that are safe to repeat. */
  async untilGood(
    method: string,
    path: string,
    isGood: (answer: Answer) => boolean = ({ status }) => status === 200,
    { body, headers }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer["body"]> {
    for (;;) {
      const answer = await this.call(method, path, body, headers).catch(() => null);
      if (answer !== null && isGood(answer)) return answer.body;
      await sleep(PAUSE_MS);
    }
  }

  /** @throws Error unless it ends with exit code 0 */
  async stop(): Promise<void> {
    const exitCode = await this.#luna?.signal("SIGTERM");
    if (exitCode !== 0) throw new Error(`npm start ended with ${exitCode}`);
  }

  /** Ends every process of the run. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    await this.#luna?.destroy();
  }
}
