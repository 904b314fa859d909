/**
 * What a guarded call answers when the breaker did not let it through. A value, not an exception:
 * the one that is thrown costs ten times as much, and this is what a failing dependency's callers
 * meet most.
 */
export class CircuitOpen {
  readonly tag = "circuit-open";
  readonly dependency: string;
  /**
   * When it is worth another try. Jittered, so that those who were rejected together do not come
   * back together.
   */
  readonly retryAfterMs: number;

  constructor(dependency: string, retryAfterMs: number) {
    this.dependency = dependency;
    this.retryAfterMs = retryAfterMs;
  }
}
