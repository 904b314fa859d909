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
