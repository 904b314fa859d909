import type { Assumptions } from "./assumptions.ts";
import {
  askedOf,
  loadOf,
  MONTH_SECONDS,
  OBJECT_REQUESTS_PER_SECOND,
  operationsOf,
  storedBytes,
  type Counts,
  type Design,
} from "./model.ts";

/** At which load the limits bind, by the same counts and assumptions. Pure. */

/** Of the share of a limit that a load takes, in its busiest second; at 1 it binds. */
type Limit = {
  name: string;
  /** By Cloudflare. */
  limit: string;
  source: string;
  /** The change that lifts it. None is built. */
  lift: string;
  share: (design: Design, requests: number, counts: Counts, given: Assumptions) => number;
};

const DO_LIMITS = "https://developers.cloudflare.com/durable-objects/platform/limits/";
const D1_LIMITS = "https://developers.cloudflare.com/d1/platform/limits/";
const QUEUE_MESSAGES_PER_SECOND = 5_000;
const D1_BYTES = 10e9;
const perSecond = (perMonth: number, { peak }: Assumptions): number =>
  (perMonth * peak) / MONTH_SECONDS;

export const limits: readonly Limit[] = [
  {
    name: "D1, one query at a time",
    limit: "one second of work per second",
    source: D1_LIMITS,
    lift:
      "emails in their own database, then users by tenant over several: no batch " +
      "but the sign-up's spans both",
    share: (design, requests, counts, given) => {
      const { d1Reads, d1Writes } = operationsOf(
        design,
        loadOf(requests, design, given),
        counts,
        given,
      );
      return (
        (perSecond(d1Reads, given) * given.d1MsPerRead +
          perSecond(d1Writes, given) * given.d1MsPerWrite) /
        1_000
      );
    },
  },
  {
    name: "D1, size: emails that are kept",
    limit: "10 GB",
    source: D1_LIMITS,
    lift:
      "a shorter EMAIL_CONTENT_RETENTION_DAYS and EMAIL_RETENTION_DAYS; then a database " +
      "of emails for each month or tenant",
    share: (_, requests, __, given) => (requests * given.emails * storedBytes(given)) / D1_BYTES,
  },
  {
    name: "tag index, one object",
    limit: "about 1,000 requests per second",
    source: DO_LIMITS,
    lift:
      "a view that the isolates of one location share, or relay objects; syncs each " +
      "two seconds halve it",
    share: (design, requests, counts, given) => {
      const load = loadOf(requests, design, given);
      const asked =
        askedOf(design, load, counts, given).index.objectRequests +
        load.writes * counts["write with its purge"].objectRequests;
      return perSecond(asked, given) / OBJECT_REQUESTS_PER_SECOND;
    },
  },
  {
    name: "counters, one object",
    limit: "about 1,000 requests per second",
    source: DO_LIMITS,
    lift:
      "an object for each of several shares of the isolates, summed up when the " +
      "metrics are read; or reports each ten seconds",
    share: (design, requests, counts, given) =>
      perSecond(
        askedOf(design, loadOf(requests, design, given), counts, given).telemetry.objectRequests,
        given,
      ) / OBJECT_REQUESTS_PER_SECOND,
  },
  {
    name: "breaker of KV, one object",
    limit: "about 1,000 requests per second",
    source: DO_LIMITS,
    lift: "a longer snapshot, `leaseMs` in settings.ts: an operator's command takes as much longer",
    share: (design, requests, counts, given) =>
      perSecond(
        askedOf(design, loadOf(requests, design, given), counts, given).kvBreaker.objectRequests,
        given,
      ) / OBJECT_REQUESTS_PER_SECOND,
  },
  {
    name: "queue of emails",
    limit: "5,000 messages per second",
    source: "https://developers.cloudflare.com/queues/platform/limits/",
    lift:
      "several queues, chosen by the email's id: a message is a notification, and " +
      "any queue may carry it",
    share: (_, requests, __, given) =>
      perSecond(requests * given.emails, given) / QUEUE_MESSAGES_PER_SECOND,
  },
];

const MOST = 1e15;

/** The requests per month at which a limit binds, to a thousandth. */
export function bindsAt(
  { share }: Limit,
  design: Design,
  counts: Counts,
  given: Assumptions,
): number {
  let below = 1;
  let above = MOST;
  while (above / below > 1.001) {
    const middle = Math.sqrt(below * above);
    if (share(design, middle, counts, given) < 1) below = middle;
    else above = middle;
  }
  return above;
}
