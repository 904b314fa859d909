import { refusalsWith, settle, withoutFailover } from "../rules/lifecycle.ts";
import type { Outcome } from "../rules/outcome.ts";
import { chooseTransport, type Failover, type Waiting } from "../rules/plan.ts";
import type { TransportName } from "../rules/transports.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import type { Settled } from "../sql/settle.ts";
import { LEASE_MS } from "./lease.ts";
import { candidatesOf, type Delivery } from "./ports.ts";

/** @returns what became of the email, or the email on its way to another transport */
export function afterOutcome(
  { transports, policy, clock, random }: Delivery,
  waiting: Waiting,
  email: EmailInHandOver,
  outcome: Outcome,
): Settled | Waiting {
  const { failover } = waiting;
  const { id, generation, transport } = email;
  const tried = [...(failover?.tried ?? []), transport];
  const next = chooseTransport(null, tried, candidatesOf(transports), new Set());
  const ended = {
    ...email,
    hasUntried: transports.some(({ name }) => !tried.includes(name)),
    handOverAt: email.leaseExpiresAt - LEASE_MS,
    refusals: failover?.refusals ?? null,
  };
  const timing = { policy, now: clock(), random: random() };
  const settlement = settle({ ...ended, hasAlternative: "use" in next }, outcome, timing);
  if (settlement.status !== "sending")
    return { id, generation, settlement, detail: outcome.detail };
  if (!("use" in next)) throw new Error("an email failed over without an alternative");
  const onItsWay = failoverOf(failover, tried, next.use, outcome);
  const otherwise = withoutFailover(ended, onItsWay.refusals, timing);
  return { ...waiting, failover: { from: transport, ...onItsWay, otherwise } };
}

function failoverOf(
  before: Failover | null,
  tried: TransportName[],
  to: TransportName,
  outcome: Outcome,
): Omit<Failover, "from" | "otherwise"> {
  const retryAfterMs = "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
  const transient = outcome.kind === "refused_transient" || before?.refusals.transient === true;
  return {
    to,
    tried,
    refusals: refusalsWith(before?.refusals ?? null, transient, retryAfterMs),
    refusal: outcome.detail,
  };
}
