import type { AnswerBody, Health } from "./api.ts";
import { countText, spanText } from "./format.ts";
import type { Tone } from "./ui/bits.tsx";

/** What the console shows of a circuit breaker. Pure. */

export type BreakerItem = AnswerBody<"listCircuitBreakers">["items"][number];
/** One whose state is known: from its object, or as it announced itself. */
export type ReachableBreaker = Extract<BreakerItem, { epoch: number }>;
/** One of another Worker, as it announced itself last. */
export type AnnouncedItem = Extract<BreakerItem, { reportedAt: string }>;
/** One as its object has it. */
export type LiveBreaker = AnswerBody<"getCircuitBreaker">;

export const stateWords = {
  CLOSED: "Closed",
  OPEN: "Open",
  HALF_OPEN: "Half-open",
  UNREACHABLE: "Does not answer",
} as const satisfies Record<BreakerItem["state"], string>;

const tones = {
  CLOSED: "good",
  OPEN: "bad",
  HALF_OPEN: "warn",
  UNREACHABLE: "idle",
} as const satisfies Record<BreakerItem["state"], Tone>;

const overrideWords: Readonly<Record<string, string>> = {
  "forced-open": "Forced open",
  "forced-closed": "Forced closed",
  disabled: "Disabled",
};

/** The state as a word, with its tone. What is not used is grey in every state. */
export function shownState(item: BreakerItem): { tone: Tone; word: string } {
  const { state, used } = item;
  const word = ("epoch" in item ? overrideWords[item.override] : undefined) ?? stateWords[state];
  if (!used)
    return {
      tone: "idle",
      word: word === "Closed" ? "Not used" : `Not used, ${word.toLowerCase()}`,
    };
  const isHeldClosed = "epoch" in item && state === "CLOSED" && item.override !== "none";
  return { word, tone: isHeldClosed ? "warn" : tones[state] };
}

/** What is broken first, what is not used last. Within these, in the order of the API. */
export function worstFirst(items: readonly BreakerItem[]): BreakerItem[] {
  const rank = (item: BreakerItem): number =>
    item.used ? { bad: 0, warn: 1, idle: 2, good: 3 }[shownState(item).tone] : 4;
  return items.toSorted((one, other) => rank(one) - rank(other));
}

/** The calls of the window. Only a closed breaker counts: for any other there is no count. */
export function callsText(breaker: LiveBreaker): string | null {
  const { state, override, failures, calls, windowSeconds } = breaker;
  if (state !== "CLOSED" || override === "disabled") return null;
  const { slowCalls = 0, heldCalls = 0, thresholdsDiffer } = breaker;
  const window = windowSeconds === undefined ? "the window" : `the last ${windowSeconds} s`;
  return [
    calls === 0
      ? `No calls in ${window}.`
      : `${countText(failures, "failure")} in ${countText(calls, "call")} of ${window}.`,
    ...(slowCalls > 0 ? [`${countText(slowCalls, "call")} took too long.`] : []),
    ...(heldCalls > 0 ? [`Isolates that pause held back ${countText(heldCalls, "call")}.`] : []),
    ...(thresholdsDiffer === true
      ? ["Callers ask for different thresholds. Those of the first one count until a reset."]
      : []),
  ].join(" ");
}

/** What comes next for a breaker that is not closed; null for a closed one. */
export function nextText(breaker: ReachableBreaker | LiveBreaker): string | null {
  const { state, override } = breaker;
  if (state === "CLOSED") return null;
  if (override === "forced-open")
    return "It rejects every call until an operator lifts the override, or its time is over.";
  if (!("retryAfterMs" in breaker)) return null;
  const { retryAfterMs, rampShare } = breaker;
  if (rampShare !== undefined)
    return `The probe succeeded. ${Math.round(rampShare * 100)} % of the calls run.`;
  if (state === "HALF_OPEN")
    return retryAfterMs > 0 ? "A probe is running." : "The next call is the probe.";
  return retryAfterMs > 0
    ? `Next probe in ${spanText(Math.max(retryAfterMs, 1_000))}.`
    : "The next call is the probe.";
}

/** Why a breaker is not closed: its counts with the last error, or the operator's reason. */
export const causeText = (reason: string | undefined): string =>
  reason === undefined ? "The cause is not known." : `${reason.replace(/\.$/, "")}.`;

/** `smtp` of `email:smtp`; null for the breaker of another dependency. */
export function transportOf(name: string): string | null {
  return name.startsWith("email:") ? name.slice("email:".length) : null;
}

export const isAnnounced = (item: BreakerItem): item is AnnouncedItem => "reportedAt" in item;

/** That a breaker of another Worker is open explains nothing that Luna does. */
export const isOwnDown = (item: BreakerItem): boolean => isDown(item) && !isAnnounced(item);

export const isDown = ({ state, used }: BreakerItem): boolean =>
  used && (state === "OPEN" || state === "HALF_OPEN");

/**
 * The breakers as their objects have them. Until those are read, as the isolate that answered
 * `/health` lists them.
 */
export function breakersNow(
  health: Health | null,
  listed: AnswerBody<"listCircuitBreakers"> | null,
): BreakerItem[] {
  if (listed !== null) return listed.items;
  const { states = {}, unreachable = [] } = health?.checks.breakers ?? {};
  const names = new Set([...Object.keys(states), ...unreachable]);
  return [...names].map((name) => {
    const state = states[name];
    return {
      name,
      used: true,
      ...(state === undefined || unreachable.includes(name) || !isState(state)
        ? { state: "UNREACHABLE" as const }
        : { state, override: "none", epoch: 0, failures: 0, calls: 0, retryAfterMs: 0 }),
    };
  });
}

const isState = (state: string): state is ReachableBreaker["state"] =>
  state === "CLOSED" || state === "OPEN" || state === "HALF_OPEN";
