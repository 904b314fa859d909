import { chooseTransport, takersOf } from "../rules/choice.ts";
import { hardBouncesOf, withNamedRefused } from "../rules/hard-bounce.ts";
import { withoutFailover } from "../rules/lifecycle.ts";
import type { Outcome } from "../rules/outcome.ts";
import type { Waiting } from "../rules/plan.ts";
import { settleRecipients, type StoredRecipient } from "../rules/recipients.ts";
import { refusalsOnTheWay, type Refusal } from "../rules/refusals.ts";
import { endOfTest, testEndings } from "../rules/test-recipients.ts";
import { waitedOf, type WaitClock, type WaitLimits } from "../rules/waits.ts";
import type { EmailInHandOver } from "../sql/delivery.ts";
import { storedRecipients } from "../sql/recipients.ts";
import type { Settled } from "../sql/settle.ts";
import { LEASE_MS } from "./lease.ts";
import { candidatesOf, type Delivery, type Paced } from "./ports.ts";

/** `outcome`: of the hand-over to a transport that has just ended. */
export type EndedHandOver = { email: EmailInHandOver; waiting: Waiting; outcome: Outcome };

/** @returns what became of the email, or the email on its way to another transport */
export function afterOutcome(
  { transports, policy, waitLimits, clock, random }: Delivery,
  { waiting, email, outcome: observed }: EndedHandOver,
  paced: Readonly<Paced>,
): Settled | Waiting {
  const { failover } = waiting;
  const { id, generation, transport } = email;
  const tried = [...(failover?.tried ?? []), transport];
  const own = takersOf(waiting, candidatesOf(transports, paced, clock()));
  const next = chooseTransport(null, tried, own, new Set());
  const ended = {
    ...email,
    hasUntried: own.some(({ name }) => !tried.includes(name)),
    handOverAt: email.leaseExpiresAt - LEASE_MS,
    refusals: failover?.refusals ?? null,
  };
  const timing = { policy, now: clock(), random: random(), clock: waitClockOf(email, waitLimits) };
  const all = storedRecipients(email.recipients, email.to);
  const outcome = withNamedRefused(observed, all);
  const end = settleRecipients({ ...ended, hasAlternative: "use" in next }, all, outcome, timing);
  if ("settlement" in end) {
    const { settlement, detail, ...recipients } = end;
    const suppress = hardBouncesOf(outcome, all);
    return {
      id,
      generation,
      settlement,
      detail,
      recipients,
      ...(suppress.length > 0 && { suppress }),
      ...endOf(email, all, outcome),
    };
  }
  if (!("use" in next) || !isRefusal(outcome))
    throw new Error("an email failed over without a refusal or an alternative");
  const refusals = refusalsOnTheWay(failover?.refusals ?? null, outcome);
  const onItsWay = { from: transport, to: next.use, tried, refusals, refusal: outcome.detail };
  const otherwise = withoutFailover(ended, refusals, timing);
  return { ...waiting, failover: { ...onItsWay, otherwise } };
}

/** What a provider would report of an email to recipients of tests. */
function endOf(
  email: EmailInHandOver,
  recipients: readonly StoredRecipient[],
  outcome: Outcome,
): Pick<Settled, "endOfTest"> {
  const endings = outcome.kind === "accepted" ? testEndings(recipients, email.test === 1) : null;
  return endings === null ? {} : { endOfTest: endOfTest(email, endings) };
}

function isRefusal(outcome: Outcome): outcome is Refusal {
  return outcome.kind !== "accepted" && outcome.kind !== "unknown" && outcome.kind !== "deferred";
}

function waitClockOf(
  { generationAt, sendAt, waitClass, waits, waitsFrom }: EmailInHandOver,
  limits: WaitLimits,
): WaitClock {
  return {
    limits,
    since: Math.max(generationAt, sendAt ?? 0, waitsFrom ?? 0),
    last: waitedOf(waitClass, waits),
  };
}
