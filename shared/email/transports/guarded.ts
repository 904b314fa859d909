import { CircuitOpen, breakerClient, type BreakerEnv } from "../../lib/circuit-breaker/index.ts";
import { countRejection } from "../../telemetry/counters.ts";
import type { Outcome } from "../rules/outcome.ts";
import { MAX_DEFERRAL_MS } from "../rules/retry-policy.ts";
import { emailBreaker, type TransportName } from "../rules/transports.ts";
import { deadlineOf, type GuardedTransport, type Transport } from "./transport.ts";

/**
 * A hand-over may first wait for whether it is the probe, and a batch for whether it may
 * begin.
 */
const ASK_MS = 1_000;

/** What a transport throws through its breaker, and catches on the other side. */
class ProviderFault extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    const { phase, code, text } = outcome.detail;
    const codes = code === undefined || text.includes(String(code)) ? "" : `${code} `;
    super(`${phase}: ${codes}${text}`);
    this.outcome = outcome;
  }
}

type GuardedDefinition = { name: TransportName; countsAsFailure: (outcome: Outcome) => boolean };

/**
 * A transport behind the fleet's breaker `email:<name>`. While that is open emails are deferred,
 * which burns no attempt.
 *
 * @param everyMs how fast the fleet hands emails over; null for no limit
 */
export function guardTransport(
  env: BreakerEnv,
  { name, countsAsFailure }: GuardedDefinition,
  transport: Transport,
  everyMs: number | null,
): GuardedTransport {
  const breaker = breakerClient(env, emailBreaker(name), {
    timeoutMs: transport.deadlineMs,
    calleeTimesOut: true,
    countsAsFailure: (error) => error instanceof ProviderFault,
    onRejected: countRejection,
  });
  return {
    name,
    everyMs,
    deadlineMs: transport.deadlineMs + ASK_MS,
    refresh: () => breaker.refresh(ASK_MS),
    admission: () => breaker.admission(),
    close: () => transport.close?.(),
    async send(email) {
      try {
        const call = async (): Promise<Outcome> => {
          const outcome = await transport.send(email);
          if (countsAsFailure(outcome)) throw new ProviderFault(outcome);
          return outcome;
        };
        // The batch has claimed only the share that the breaker admits.
        const answer = await breaker.run(call, {
          isInShare: true,
          // A probe with a large file must not outlast its permit.
          timeoutMs: Math.max(transport.deadlineMs, deadlineOf(email)),
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
