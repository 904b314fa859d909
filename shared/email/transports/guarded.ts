import { CircuitOpen } from "../../circuit-breaker/circuit-open.ts";
import { breakerClient, type BreakerEnv } from "../../circuit-breaker/guard.ts";
import type { Outcome } from "../lifecycle.ts";
import type { Transport } from "./transport.ts";

/** A mail looks again after this, however long the breaker means to stay open: an operator may end that sooner. */
const MAX_DEFERRAL_MS = 60_000;
/** A hand-over may first wait to hear whether it is the probe. */
const ASK_MS = 1_000;

/** What a transport throws through its breaker, and catches on the other side. */
class ProviderFault extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super("the provider failed");
    this.outcome = outcome;
  }
}

/**
 * A transport behind the fleet's breaker `email:<name>`. While that is open mails are deferred, which burns no attempt.
 *
 * @param speaksAgainstProvider whether an outcome counts as a failure of the provider. What it says of one mail does not.
 */
export function guardTransport(
  env: BreakerEnv,
  name: "smtp",
  transport: Transport,
  speaksAgainstProvider: (outcome: Outcome) => boolean,
): Transport {
  const breaker = breakerClient(env, `email:${name}`, {
    timeoutMs: transport.deadlineMs,
    calleeTimesOut: true,
    isFault: (error) => error instanceof ProviderFault,
  });
  return {
    deadlineMs: transport.deadlineMs + ASK_MS,
    async send(mail) {
      try {
        const answer = await breaker.run(async () => {
          const outcome = await transport.send(mail);
          if (speaksAgainstProvider(outcome)) throw new ProviderFault(outcome);
          return outcome;
        });
        return answer instanceof CircuitOpen ? deferred(name, answer.retryAfterMs) : answer;
      } catch (error) {
        if (error instanceof ProviderFault) return error.outcome;
        throw error;
      }
    },
  };
}

function deferred(transport: string, retryAfterMs: number): Outcome {
  const detail = { transport, phase: "circuit-breaker", text: "the circuit breaker is open" };
  return { kind: "deferred", retryAfterMs: Math.min(retryAfterMs, MAX_DEFERRAL_MS), detail };
}
