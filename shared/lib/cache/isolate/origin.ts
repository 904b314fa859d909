import { LRUCache } from "lru-cache";
import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep, type Clock } from "../../base/clock.ts";
import { fail, type Result } from "../../base/result.ts";
import type { CacheFailure } from "../rules/read.ts";

type Failing = { failures: number; failedAt: number; pauseMs: number; error: unknown };

/** Loads of one isolate at a time: KV may be down, and every read a load. */
const MAX_LOADS = 64;
const POLL_MS = 20;
/** A load that takes longer belongs to a request that has died. */
const MAX_LOAD_MS = 30_000;
const BACK_OFF = { baseMs: 200, maxMs: 5_000 };
const MAX_FAILING = 10_000;

/**
 * Spares the origin: so many loads at a time, and none for a key whose last one failed a moment
 * ago.
 */
export class Origin {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #waitMs: number;
  readonly #loading = new Map<symbol, number>();
  readonly #failing = new LRUCache<string, Failing>({ max: MAX_FAILING });

  /** @param waitMs the longest that a load waits for its turn */
  constructor(clock: Clock, random: () => number, waitMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.#waitMs = waitMs;
  }

  /** Whether a load of this key failed so lately that the next would be too soon. */
  isPaused(key: string): boolean {
    const failing = this.#failing.get(key);
    return (
      failing !== undefined && elapsedMs(failing.failedAt, this.#clock.now()) < failing.pauseMs
    );
  }

  /** Loads, or answers as the load that failed a moment ago. `begin` is called right before. */
  async load<Value, Failure>(
    key: string,
    begin: () => void,
    load: () => Promise<Result<Value, Failure | CacheFailure>>,
  ): Promise<Result<Value, Failure | CacheFailure>> {
    if (this.isPaused(key)) return fail(this.#failing.get(key)?.error as Failure | CacheFailure);
    const ticket = await this.#takeTurn();
    if (ticket === null) return fail({ tag: "overloaded" });
    begin();
    const loaded = await attempt(load);
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

  /** By asking again, and not by being called: who calls may be a request that has died. */
  async #takeTurn(): Promise<symbol | null> {
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

/** What a breaker rejects cost the origin nothing, and the breaker knows best when to try again. */
function isRejection(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "tag" in error && error.tag === "circuit-open"
  );
}

async function attempt<Value, Failure>(
  load: () => Promise<Result<Value, Failure | CacheFailure>>,
): Promise<Result<Value, Failure | CacheFailure>> {
  try {
    return await load();
  } catch (error) {
    return fail({ tag: "threw", error });
  }
}
