import { LRUCache } from "lru-cache";
import { backoffMs } from "../../base/backoff.ts";
import { elapsedMs, sleep, type Clock } from "../../base/clock.ts";
import { fail, type Result } from "../../base/result.ts";
import { familyOf } from "../rules/keys.ts";
import type { CacheFailure } from "../rules/read.ts";

type Loader<Value, Problem> = (
  signal: AbortSignal,
) => Promise<Result<Value, Problem | CacheFailure>>;
type Failing = { failures: number; failedAt: number; pauseMs: number; error: unknown };

/**
 * Concurrent loads of one isolate, per family of keys: if an origin hangs, the keys of another
 * origin are loaded all the same. If KV is down, each read is a load.
 */
const MAX_LOADS_OF_FAMILY = 64;
/** Of all families. There may be any number of families. */
const MAX_LOADS = 512;
const POLL_MS = 20;
const BACK_OFF = { baseMs: 200, maxMs: 5_000 };
const MAX_FAILING = 10_000;

/** A load that takes longer than its time limit belongs to a request that has died. */
type Ticket = { since: number; timeoutMs: number };

/**
 * Protects the origin. It limits the concurrent loads and their time, and pauses a key whose last
 * load failed, with exponential back-off.
 */
export class Origin {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #waitMs: number;
  /** The loads under way by family. A family without loads has no set. */
  readonly #loading = new Map<string, Set<Ticket>>();
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
   * Loads, or returns the error of the last load while the key is paused. A load without a result
   * within `timeoutMs` ends as `timed-out`, and its signal aborts. Never throws.
   *
   * @param begin called right before `load`
   */
  async load<Value, Problem>(
    key: string,
    timeoutMs: number,
    { begin, load }: { begin: () => void; load: Loader<Value, Problem> },
  ): Promise<Result<Value, Problem | CacheFailure>> {
    if (this.isPaused(key)) return fail(this.#failing.get(key)?.error as Problem | CacheFailure);
    const family = familyOf(key);
    const ticket = await this.#takeSlot(family, timeoutMs);
    if (ticket === null) return fail({ tag: "overloaded" });
    begin();
    const loaded = await this.#inTime(timeoutMs, load);
    this.#end(family, ticket);
    if (loaded.ok) this.#failing.delete(key);
    else if (!isRejection(loaded.error)) this.#remember(key, loaded.error);
    return loaded;
  }

  async #inTime<Value, Problem>(
    timeoutMs: number,
    load: Loader<Value, Problem>,
  ): Promise<Result<Value, Problem | CacheFailure>> {
    const controller = new AbortController();
    const { signal } = controller;
    const late = new Promise<Result<never, CacheFailure>>((resolve) => {
      signal.addEventListener("abort", () => resolve(fail({ tag: "timed-out" })), { once: true });
    });
    const cancel = this.#clock.after(timeoutMs, () =>
      controller.abort(new DOMException(`no result within ${timeoutMs} ms`, "TimeoutError")),
    );
    try {
      return await Promise.race([load(signal), late]);
    } catch (error) {
      return fail({ tag: "threw", error });
    } finally {
      cancel();
    }
  }

  #remember(key: string, error: unknown): void {
    const failures = (this.#failing.get(key)?.failures ?? 0) + 1;
    const pauseMs = backoffMs(BACK_OFF, failures, this.#random());
    this.#failing.set(key, { failures, failedAt: this.#clock.now(), pauseMs, error });
  }

  /**
   * Waits for a free slot by polling, and not for a call by the load before: that load's request
   * may have died.
   *
   * @returns null if there is none in time
   */
  async #takeSlot(family: string, timeoutMs: number): Promise<Ticket | null> {
    for (let waitedMs = 0; this.#isFull(family); waitedMs += POLL_MS) {
      this.#dropDead();
      if (waitedMs >= this.#waitMs) return null;
      await sleep(this.#clock, POLL_MS);
    }
    const ticket = { since: this.#clock.now(), timeoutMs };
    const loading = this.#loading.get(family) ?? new Set();
    this.#loading.set(family, loading.add(ticket));
    return ticket;
  }

  #isFull(family: string): boolean {
    if ((this.#loading.get(family)?.size ?? 0) >= MAX_LOADS_OF_FAMILY) return true;
    let total = 0;
    for (const { size } of this.#loading.values()) total += size;
    return total >= MAX_LOADS;
  }

  #dropDead(): void {
    const now = this.#clock.now();
    for (const [family, tickets] of this.#loading)
      for (const ticket of tickets) {
        if (elapsedMs(ticket.since, now) > ticket.timeoutMs) this.#end(family, ticket);
      }
  }

  #end(family: string, ticket: Ticket): void {
    const loading = this.#loading.get(family);
    loading?.delete(ticket);
    if (loading?.size === 0) this.#loading.delete(family);
  }
}

/** A rejection by a breaker does not pause a key: the breaker already decides when to try again. */
function isRejection(error: unknown): boolean {
  return (
    typeof error === "object" && error !== null && "tag" in error && error.tag === "circuit-open"
  );
}
