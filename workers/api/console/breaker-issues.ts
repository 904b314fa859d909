import type { AnswerBody, Health } from "./api.ts";
import {
  breakersNow,
  causeText,
  isDown,
  nextText,
  transportOf,
  type ReachableBreaker,
  type BreakerItem,
} from "./breaker-state.ts";
import { countText, spanText } from "./format.ts";
import { issue, type Issue } from "./issue.ts";
import { linkTo } from "./router.ts";

/** What is wrong with the circuit breakers. Pure. */

/** A breaker that has not recovered by itself for this long needs a person. */
const HANDLED_MS = 30 * 60_000;

export type BreakerFacts = {
  health: Health | null;
  breakers: AnswerBody<"listCircuitBreakers"> | null;
  now: number;
};

export function breakerIssues({ health, breakers, now }: BreakerFacts): Issue[] {
  const items = breakersNow(health, breakers);
  const own = items.flatMap((item) => {
    if (!("epoch" in item)) return item.used ? [unreachableIssue(item.name)] : [];
    if (item.override !== "none") return [overrideIssue(item)];
    if (item.state === "CLOSED") return [];
    return [item.used ? outageIssue(item, items, health, now) : unusedIssue(item)];
  });
  return [...own, ...(breakers === null ? [] : registryIssues(breakers))];
}

/** What is missing in the list of the breakers of other Workers. */
function registryIssues({ registry }: AnswerBody<"listCircuitBreakers">): Issue[] {
  if (registry === undefined)
    return [
      issue({
        key: "breakers:unread",
        needs: "luna",
        tone: "warn",
        text: "The circuit breakers of other Workers are not known: their list was not read.",
        link: linkTo("breakers"),
        press: "See the others",
      }),
    ];
  const { full, name } = registry.refused;
  if (full + name === 0) return [];
  const reasons = [
    ...(full > 0 ? [`the list of ${registry.limit} is full for ${full}`] : []),
    ...(name > 0 ? [`the name of ${name} may be an address or a key`] : []),
  ];
  return [
    issue({
      key: "breakers:refused",
      needs: "you",
      tone: "warn",
      text: `${countText(full + name, "circuit breaker")} of other Workers cannot be listed.`,
      detail: `They work: ${reasons.join("; ")}.`,
      link: linkTo("breakers"),
      press: "See what is listed",
    }),
  ];
}

type Found = Omit<Parameters<typeof issue>[0], "key" | "link" | "press"> & { press?: string };

const found = (name: string, more: Found): Issue =>
  issue({
    key: `breaker:${name}`,
    link: linkTo("breakers"),
    press: "See the breaker",
    ...more,
  });

function outageIssue(
  breaker: ReachableBreaker,
  items: readonly BreakerItem[],
  health: Health | null,
  now: number,
): Issue {
  const { name, state, outage } = breaker;
  const lastsMs = outage === undefined ? 0 : now - Date.parse(outage.since);
  const isStuck = lastsMs > HANDLED_MS;
  const word = state === "OPEN" ? "open" : "half-open";
  const texts = [
    `The circuit breaker of ${name} is ${word}.`,
    ...(isStuck ? [`It has not recovered by itself for ${spanText(lastsMs)}.`] : []),
    consequenceOf(name, items, health),
  ];
  return found(name, {
    needs: isStuck ? "you" : "luna",
    tone: state === "OPEN" ? "bad" : "warn",
    text: texts.filter((text) => text !== "").join(" "),
    detail: [causeText(outage?.reason), nextText(breaker)]
      .filter((text) => text !== null)
      .join(" "),
    since: outage?.since ?? null,
  });
}

/** What the users of Luna notice. */
function consequenceOf(name: string, items: readonly BreakerItem[], health: Health | null): string {
  const transport = transportOf(name);
  if (transport !== null) return emailConsequence(items, health);
  switch (name) {
    case "cache":
      return "Reads come from memory and the database.";
    case "database":
      return "Reads come from the cache, or are refused. Writes are still tried.";
    case "alerts:webhook":
      return "Notices wait for the webhook.";
    default:
      return "Calls of the Workers that use it are rejected.";
  }
}

function emailConsequence(items: readonly BreakerItem[], health: Health | null): string {
  const transports = items.filter(({ name, used }) => used && transportOf(name) !== null);
  if (transports.some((one) => !isDown(one))) return "Emails go by another transport.";
  const waiting = waitingEmails(health);
  return waiting === null ? "Emails wait." : `${countText(waiting, "email")} waiting, none lost.`;
}

/** Emails that wait for their next try; null if that is not known. */
function waitingEmails(health: Health | null): number | null {
  return health === null || health.status === "down" ? null : health.checks.email.queued;
}

function overrideIssue({ name, override, lastTransition }: ReachableBreaker): Issue {
  const effect = override === "forced-open" ? "It rejects every call." : "It protects nothing.";
  return found(name, {
    needs: "you",
    tone: "warn",
    text: `An operator overrides the circuit breaker of ${name}: ${override}. ${effect}`,
    detail:
      lastTransition === undefined
        ? null
        : `By ${lastTransition.actor}: ${causeText(lastTransition.reason)}`,
    press: "Lift the override",
    since: lastTransition?.at ?? null,
  });
}

/** Without calls it never probes, so only a reset closes it. */
function unusedIssue({ name, state, outage }: ReachableBreaker): Issue {
  return found(name, {
    needs: "you",
    tone: "warn",
    text:
      `The circuit breaker of ${name} is ${state === "OPEN" ? "open" : "half-open"}, ` +
      "and nothing calls it any more: reset it.",
    press: "Reset it",
    since: outage?.since ?? null,
  });
}

const unreachableIssue = (name: string): Issue =>
  found(name, {
    needs: "luna",
    tone: "warn",
    text: `The circuit breaker of ${name} does not answer.`,
    detail: "Each isolate counts and decides on its own meanwhile.",
  });
