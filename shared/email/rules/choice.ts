import type { Admission } from "../../lib/circuit-breaker/rules/index.ts";
import type { Claimed } from "./claimed.ts";
import { filesBytes } from "./hand-over-size.ts";
import type { AttemptDetail } from "./outcome.ts";
import { MAX_DEFERRAL_MS } from "./retry-policy.ts";
import { transports, type TransportName } from "./transports.ts";

/** Decides which transport an email goes to, and how many emails a batch may claim. Pure. */

/** What a transport takes now, by its breaker. `closed`: nothing, until a limit resets. */
type Entry = Admission | { do: "closed"; retryAfterMs: number };

/**
 * A transport that an email may go to. `pacedUntil`: its rate is reserved until then, in
 * milliseconds since the epoch. `everyMs`: the rate that holds now. `lines`: when each tenant's
 * emails may come back, by `backlogKey`.
 */
export type Candidate = {
  name: TransportName;
  admission: Entry;
  pacedUntil: number;
  everyMs: number | null;
  lines?: ReadonlyMap<string, { fromAt: number; everyMs: number }>;
};

/** How long there is none, and why. `limited`: because of a limit. */
type Wait = { waitMs: number; detail: AttemptDetail; limited: boolean };
type Choice = { use: TransportName } | Wait;

/**
 * The transports that an email may go to, in the order that its sender names. One that is not
 * configured is left out.
 */
export function inOrderOf<One extends { name: TransportName }>(
  order: readonly TransportName[],
  candidates: readonly One[],
): readonly One[] {
  if (order.length === 0) return candidates;
  return order.flatMap((name) => candidates.find((one) => one.name === name) ?? []);
}

/** How long to look away from a transport that is being probed. */
const NEWS_MS = 1_000;
/**
 * What is pinned to a transport that is no longer configured waits for its provider's feedback, and
 * in the end for a person.
 */
export const ORPHAN_MS = 3_600_000;

/**
 * The first transport that takes emails. One that may be probed takes one email, and only if
 * nothing before it takes any; a pinned email has no choice.
 *
 * @param full transports that get all that they take already
 */
export function chooseTransport(
  pinnedTo: TransportName | null,
  tried: readonly TransportName[],
  candidates: readonly Candidate[],
  full: ReadonlySet<TransportName>,
): Choice {
  const open = candidates.filter(
    ({ name }) => (pinnedTo === null || name === pinnedTo) && !tried.includes(name),
  );
  for (const { name, admission } of open) {
    if (isOpen(admission) && !full.has(name)) return { use: name };
  }
  const [first] = open;
  if (first === undefined) {
    return { waitMs: ORPHAN_MS, detail: notConfigured(pinnedTo), limited: false };
  }
  return waitFor([first, ...open.slice(1)]);
}

const notConfigured = (pinnedTo: TransportName | null): AttemptDetail => ({
  transport: pinnedTo ?? "none",
  phase: "configuration",
  text:
    pinnedTo === null
      ? "no transport that the sender of this email names is configured"
      : "the transport that has this email is not configured",
});
const isOpen = (admission: Entry): boolean =>
  admission.do !== "reject" && admission.do !== "closed";

/** Those that its sender names and that take an email of its size, in the sender's order. */
export function takersOf<One extends { name: TransportName }>(
  { transportOrder, files }: Pick<Claimed, "transportOrder" | "files">,
  candidates: readonly One[],
): readonly One[] {
  const own = inOrderOf(transportOrder, candidates);
  return files === undefined
    ? own
    : own.filter(({ name }) => filesBytes(files) <= transports[name].maxContentBytes);
}

export const tooLarge: AttemptDetail = {
  transport: "none",
  phase: "configuration",
  text: "no configured transport takes an email of this size",
};

/** Until the first of them takes emails again. */
function waitFor(candidates: readonly [Candidate, ...Candidate[]]): Wait {
  const [first] = candidates.toSorted((a, b) => waitOf(a) - waitOf(b));
  const { name, admission } = first ?? candidates[0];
  const limited = admission.do === "closed";
  const detail = limited ? limitIsReached(name) : breakerIsOpen(candidates[0].name);
  return { waitMs: waitOf({ admission }), detail, limited };
}

function waitOf({ admission }: Pick<Candidate, "admission">): number {
  switch (admission.do) {
    case "closed":
      return Math.max(admission.retryAfterMs, NEWS_MS);
    case "reject":
      return Math.min(Math.max(admission.retryAfterMs, NEWS_MS), MAX_DEFERRAL_MS);
    case "allow":
    case "probe":
      return NEWS_MS;
  }
}

function limitIsReached(transport: TransportName): AttemptDetail {
  return { transport, phase: "limit", text: "a limit of the provider is reached" };
}

function breakerIsOpen(transport: TransportName): AttemptDetail {
  return { transport, phase: "circuit-breaker", text: "the circuit breaker is open" };
}

/** How many emails a batch may claim now, for which transports, and how long the others wait. */
export type ClaimLimit = { open: TransportName[]; limit: number; waitMs: number };

/**
 * Asks before the claim: what no transport takes need not be claimed. While one may only be probed,
 * one email is enough for that. While one recovers, it takes a share of the batch.
 *
 * @param random in [0, 1): the share of a small batch is taken on average
 */
export function claimLimit(
  candidates: readonly Candidate[],
  batch: number,
  random: number,
): ClaimLimit {
  const open = candidates.flatMap(({ name, admission }) => (isOpen(admission) ? [name] : []));
  const share = Math.max(0, ...candidates.map(({ admission }) => shareOf(admission)));
  const probes = candidates.some(({ admission }) => admission.do === "probe") ? 1 : 0;
  return {
    open,
    limit: share >= 1 ? Infinity : Math.max(Math.floor(share * batch + random), probes),
    waitMs: othersWait(candidates)?.waitMs ?? 0,
  };
}

/** How long what was not claimed waits, and for what; null if each transport takes all. */
export function othersWait(candidates: readonly Candidate[]): Wait | null {
  const [first, ...others] = candidates.filter(({ admission }) => shareOf(admission) < 1);
  return first === undefined ? null : waitFor([first, ...others]);
}

/** How long each transport does not take all, and why, the shortest wait first. */
export function eachWait(candidates: readonly Candidate[]): (Wait & { name: TransportName })[] {
  return candidates
    .filter(({ admission }) => shareOf(admission) < 1)
    .map((one) => ({ name: one.name, ...waitFor([one]) }))
    .toSorted((a, b) => a.waitMs - b.waitMs);
}

/** The share of its emails that a transport takes now, without a probe: from 0 to 1. */
export function shareOf(admission: Entry): number {
  return admission.do === "allow" ? (admission.share ?? 1) : 0;
}
