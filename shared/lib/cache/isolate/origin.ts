import { LRUCache } from "lru-cache";
import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep, type Clock } from "../../base/clock.ts";
import { fail, type Result } from "../../base/result.ts";
import type { CacheFailure } from "../rules/read.ts";

type Failing = { failures: number; failedAt: number; pauseMs: number; error: unknown };

/** Concurrent loads of one isolate. If KV is down, each read is a load. */
const MAX_LOADS = 64;
const POLL_MS = 20;
/** A load that takes longer belongs to a request that has died. */
const MAX_LOAD_MS = 30_000;
const BACK_OFF = { baseMs: 200, maxMs: 5_000 };
const MAX_FAILING = 10_000;

/**
 * Protects the origin. It limits the concurrent loads, and pauses a key whose last load failed, with
 * exponential back-off.
 */
export class Origin {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #waitMs: number;
  readonly #loading = new Map<symbol, number>();
  readonly #failing = new LRUCache<string, Failing>({ max: MAX_FAILING });

  /** @param waitMs the longest that a load waits for a free slot */
  constructor(clock: Clock, random: () => number, waitMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.#waitMs = waitMs;
  }

  /** Whether the key is paused because its last load failed. */
  isPaused(key: string): boolean {
    const failing = this.#failing.get(key);
    return (
      failing !== undefined && elapsedMs(failing.failedAt, this.#clock.now()) < failing.pauseMs
    );
  }

  /**
   * Loads, or returns the error of the last load while the key is paused. Never throws.
   *
   * @param begin called right before `load`
   */
  async load<Value, Problem>(
    key: string,
    begin: () => void,
    load: () => Promise<Result<Value, Problem | CacheFailure>>,
  ): Promise<Result<Value, Problem | CacheFailure>> {
    if (this.isPaused(key)) return fail(this.#failing.get(key)?.error as Problem | CacheFailure);
    const ticket = await this.#takeSlot();
    if (ticket === null) return fail({ tag: "overloaded" });
    begin();
    const loaded = await caught(load);
    this.#loading.delete(ticket);
    if (loaded.ok) this.#failing.delete(key);
    else if (!isRejection(loaded.error)) this.#remember(key, loaded.error);
    return loaded;
  }

  #remember(key: string, error: unknown): void {
    const failures = (this.#failing.get(key)?.failures ?? 0) + 1;
    const pauseMs = backoffMs(BACK_OFF, failures, this.#random());
    this.#failing.set(key, { failures, failedAt: this.#clock.now(), pauseMs, error });
  }

  /**
   * Waits for a free slot by polling, and not for a call by the load before: that load's request may
   * have died.
   *
   * @returns null if there is none in time
   */
  async #takeSlot(): Promise<symbol | null> {
    for (let waitedMs = 0; this.#loading.size >= MAX_LOADS; waitedMs += POLL_MS) {
      const now = this.#clock.now();
      for (const [ticket, since] of this.#loading)
        if (elapsedMs(since, now) > MAX_LOAD_MS) this.#loading.delete(ticket);
      if (waitedMs >= this.#waitMs) return null;
      await sleep(this.#clock, POLL_MS);
    }
    const ticket = Symbol("load");
    this.#loading.set(ticket, this.#clock.now());
    return ticket;
  }
}

/** A rejection by a breaker does not pause a key: the breaker already decides when to try again. */
function isRejection(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "tag" in error && error.tag === "circuit-open"
  );
}

async function caught<Value, Problem>(
  load: () => Promise<Result<Value, Problem | CacheFailure>>,
): Promise<Result<Value, Problem | CacheFailure>> {
  try {
    return await load();
  } catch (error) {
    return fail({ tag: "threw", error });
  }
}
