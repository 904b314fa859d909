/** An isolate that pauses tries again after this, then after twice as long... */
const FIRST_MS = 5_000;
/** ...up to this. */
const MAX_PAUSE_MS = 30_000;

/**
 * An isolate whose calls all fail holds its calls back, although the breaker is closed for the
 * fleet: only this isolate may be cut off. After each pause one call tries.
 */
export class Pause {
  #until: number | null = null;
  #lengthMs = FIRST_MS / 2;

  get isOn(): boolean {
    return this.#until !== null;
  }

  /** Begins a pause, twice as long as the one before, or as long as the dependency asked for. */
  begin(now: number, retryAfterMs = 0): void {
    this.#lengthMs = Math.min(this.#lengthMs * 2, MAX_PAUSE_MS);
    this.#until = now + Math.min(Math.max(this.#lengthMs, retryAfterMs), MAX_PAUSE_MS);
  }

  /** How long a call is held back. 0: it may try. A clock that is set back ends the pause. */
  leftMs(now: number): number {
    const leftMs = this.#until === null ? 0 : this.#until - now;
    return leftMs > MAX_PAUSE_MS ? 0 : Math.max(leftMs, 0);
  }

  /** Holds the other calls back until the call that tries has ended, or until it is lost. */
  try(now: number, timeoutMs: number): void {
    this.#until = now + Math.min(timeoutMs, MAX_PAUSE_MS);
  }

  end(): void {
    this.#until = null;
    this.#lengthMs = FIRST_MS / 2;
  }
}
