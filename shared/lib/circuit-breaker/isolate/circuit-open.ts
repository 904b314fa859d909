/**
 * The result of a guarded call that the breaker rejected. It is a value and not an exception: to
 * throw costs ten times as much, and rejections are what callers of a failing dependency get most.
 */
export class CircuitOpen {
  readonly tag = "circuit-open";
  readonly dependency: string;
  /**
   * Milliseconds until another try is worth while. Jittered, so that callers that were rejected
   * together do not come back together.
   */
  readonly retryAfterMs: number;

  constructor(dependency: string, retryAfterMs: number) {
    this.dependency = dependency;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Callers that were rejected together come back spread over this. */
const JITTER_MS = 1_000;
const MIN_RETRY_AFTER_MS = 100;

/** @param random in [0, 1) */
export function jitteredMs(retryAfterMs: number, random: number): number {
  return Math.ceil(Math.max(retryAfterMs, MIN_RETRY_AFTER_MS) + random * JITTER_MS);
}
