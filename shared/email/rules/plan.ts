import type { Admission } from "../../lib/circuit-breaker/rules/index.ts";
import { offersUnsubscribe } from "../unsubscribe.ts";
import type { Claimed } from "./claimed.ts";
import { keyForgotten, putBack, type Refusals, type Settlement } from "./lifecycle.ts";
import type { AttemptDetail } from "./outcome.ts";
import { MAX_DEFERRAL_MS } from "./retry-policy.ts";
import type { TransportName } from "./transports.ts";

/** Decides which transport an email goes to, and which emails go next. Pure. */

/**
 * A transport as the plan sees it. `pacedUntil`: its turns are taken until then, in milliseconds
 * since the epoch.
 */
export type Route = {
  name: TransportName;
  admission: Admission;
  pacedUntil: number;
  everyMs: number | null;
};

/**
 * An email that a transport refused, on its way to another. `otherwise` is what it becomes if that
 * does not come to pass.
 */
export type Failover = {
  to: TransportName;
  from: TransportName;
  tried: TransportName[];
  refusals: Refusals;
  refusal: AttemptDetail;
  otherwise: Settlement;
};

export type Waiting = Claimed & { failover: Failover | null };

type Choice = { use: TransportName } | { waitMs: number; detail: AttemptDetail };

/** How long to look away from a transport that is being probed. */
const NEWS_MS = 1_000;
/**
 * What is pinned to a transport that is no longer configured waits for its provider's feedback, and
 * in the end for a person.
 */
const ORPHAN_MS = 3_600_000;

/**
 * The first transport that takes emails. One that may be probed takes one email, and only if
 * nothing before it takes any; a pinned email has no choice.
 *
 * @param probing transports that get their one email already
 */
export function chooseTransport(
  pinnedTo: TransportName | null,
  tried: readonly TransportName[],
  routes: readonly Route[],
  probing: ReadonlySet<TransportName>,
): Choice {
  const open = routes.filter(
    ({ name }) => (pinnedTo === null || name === pinnedTo) && !tried.includes(name),
  );
  for (const { name, admission } of open) {
    if (admission.do === "allow" || (admission.do === "probe" && !probing.has(name)))
      return { use: name };
  }
  const [first] = open;
  if (first === undefined) {
    const detail = {
      transport: pinnedTo ?? "none",
      phase: "configuration",
      text: "the transport that has this email is not configured",
    };
    return { waitMs: ORPHAN_MS, detail };
  }
  return { waitMs: waitOf(open), detail: breakerIsOpen(first.name) };
}

/** Until the first of them takes emails again. */
function waitOf(routes: readonly Route[]): number {
  const waits = routes.map(({ admission }) =>
    admission.do === "reject" ? admission.retryAfterMs : NEWS_MS,
  );
  return Math.min(Math.max(Math.min(...waits), NEWS_MS), MAX_DEFERRAL_MS);
}

export function breakerIsOpen(transport: TransportName): AttemptDetail {
  return { transport, phase: "circuit-breaker", text: "the circuit breaker is open" };
}

type PlannedMark = { email: Waiting; transport: TransportName };
type PutBack = { email: Waiting; settlement: Settlement; detail: AttemptDetail };

export type Plan = { marks: PlannedMark[]; putBack: PutBack[]; rest: Waiting[] };

/**
 * Takes emails from the front until `groupSize` of them have a transport. What has none now is put
 * back, without an attempt.
 *
 * @param hasLinks whether unsubscribe links can be made: what needs one waits until then
 */
export function planGroup(
  waiting: readonly Waiting[],
  routes: readonly Route[],
  groupSize: number,
  hasLinks: boolean,
  now: number,
): Plan {
  const plan: Plan = { marks: [], putBack: [], rest: [] };
  const probing = new Set<TransportName>();
  const freeAt = new Map(routes.map(({ name, pacedUntil }) => [name, pacedUntil]));
  for (const [place, email] of waiting.entries()) {
    if (plan.marks.length === groupSize) {
      plan.rest = waiting.slice(place);
      break;
    }
    if (email.failover !== null) {
      plan.marks.push({ email, transport: email.failover.to });
      continue;
    }
    const back = (dueAt: number, detail: AttemptDetail): void => {
      plan.putBack.push({
        email,
        settlement: putBack({ ...email, pinnedUntil: email.pinned?.until ?? null }, dueAt),
        detail,
      });
    };
    if (email.pinned !== null && email.pinned.until <= now) {
      back(now, keyForgotten(email.pinned.to));
      continue;
    }
    if (!hasLinks && offersUnsubscribe(email.category)) {
      back(now + MAX_DEFERRAL_MS, noLink);
      continue;
    }
    const choice = chooseTransport(email.pinned?.to ?? null, [], routes, probing);
    if ("waitMs" in choice) {
      back(now + choice.waitMs, choice.detail);
      continue;
    }
    const route = routes.find(({ name }) => name === choice.use);
    const turnAt = freeAt.get(choice.use) ?? now;
    if (turnAt > now) {
      freeAt.set(choice.use, turnAt + (route?.everyMs ?? 0));
      back(turnAt, {
        transport: choice.use,
        phase: "rate-limit",
        text: "the transport's rate is used up",
      });
      continue;
    }
    if (route?.admission.do === "probe") probing.add(choice.use);
    plan.marks.push({ email, transport: choice.use });
  }
  return plan;
}

const noLink: AttemptDetail = {
  transport: "none",
  phase: "configuration",
  text:
    "PUBLIC_URL or UNSUBSCRIBE_SECRET is missing or bad, " +
    "and the email needs an unsubscribe link",
};

/** How many emails a batch may claim now, for which transports, and how long the others wait. */
export type ClaimLimit = { open: TransportName[]; limit: number; waitMs: number };

/**
 * Asks before the claim: what no transport takes need not be claimed. While one may only be probed,
 * one email is enough for that.
 */
export function claimLimit(routes: readonly Route[]): ClaimLimit {
  const open = routes.flatMap(({ name, admission }) => (admission.do === "reject" ? [] : [name]));
  const runs = routes.some(({ admission }) => admission.do === "allow");
  const closed = routes.filter(({ admission }) => admission.do !== "allow");
  return {
    open,
    limit: runs ? Infinity : Math.min(open.length, 1),
    waitMs: closed.length === 0 ? 0 : waitOf(closed),
  };
}
