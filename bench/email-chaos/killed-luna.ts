import { Luna } from "../../test/process/luna.ts";
import { call, type Answer } from "../../test/support/http.ts";

/** Longer than the API may take; what a kill cuts off fails at once. */
const CALL_TIMEOUT_MS = 20_000;
const PAUSE_MS = 250;

export type Kill = { at: number; readyAt: number };

/** The real `npm start`, killed outright every so often and started again on the same state. */
export class KilledLuna {
  readonly kills: Kill[] = [];
  readonly #env: Record<string, string>;
  #luna: Luna;
  #over = false;
  #destroyed = false;
  #wake: () => void = () => undefined;
  #killing: Promise<void> = Promise.resolve();

  constructor(env: Record<string, string>) {
    this.#env = env;
    this.#luna = new Luna(env);
  }

  async ready(): Promise<void> {
    await this.#luna.ready();
  }

  /**
   * Kills every `everyMs`, the time to come back included, until `stop`.
   *
   * @throws Error when a start fails
   */
  killEvery(everyMs: number): Promise<void> {
    this.#killing = this.#killUntilOver(everyMs);
    return this.#killing;
  }

  async #killUntilOver(everyMs: number): Promise<void> {
    for (let at = Date.now() + everyMs; await this.#sleptUntil(at); at += everyMs) {
      const killedAt = Date.now();
      await this.#luna.signal("SIGKILL", "group");
      // `destroy` would not know of one that began after it.
      if (this.#destroyed) return;
      this.#luna = new Luna(this.#env);
      await this.#luna.ready();
      this.kills.push({ at: killedAt, readyAt: Date.now() });
      process.stdout.write(
        `${this.kills.length}. SIGKILL: back after ${((Date.now() - killedAt) / 1_000).toFixed(1)} s\n`,
      );
    }
  }

  /** @returns false once `stop` was called */
  async #sleptUntil(at: number): Promise<boolean> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#over) resolve();
      else setTimeout(resolve, at - Date.now());
    });
    return !this.#over;
  }

  /** Calls once. Throws when it is down or goes down. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { url, token } = this.#luna;
    const fetchNow = (at: string, init: RequestInit) =>
      fetch(`${url}${at}`, { ...init, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    return await call(fetchNow, method, path, body, { token, headers });
  }

  /** Calls again and again until an answer is good. Only for what may be repeated. */
  async untilGood(
    method: string,
    path: string,
    body: unknown,
    isGood: (answer: Answer) => boolean,
    headers?: Record<string, string>,
  ): Promise<Answer["body"]> {
    while (!this.#over) {
      const answer = await this.call(method, path, body, headers).catch(() => null);
      if (answer !== null && isGood(answer)) return answer.body;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    throw new Error("the run is over");
  }

  /** No more kills, and an end in good order. */
  async stop(): Promise<number | null> {
    this.#over = true;
    this.#wake();
    await this.#killing;
    return await this.#luna.signal("SIGTERM");
  }

  /** Whatever happened, nothing stays behind. */
  async destroy(): Promise<void> {
    this.#over = this.#destroyed = true;
    this.#wake();
    await this.#luna.destroy();
  }
}
