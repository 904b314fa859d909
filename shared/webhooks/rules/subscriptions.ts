import * as v from "valibot";
import { shortList } from "../../http/lists.ts";
import { eventTypes } from "./events.ts";

/** Which events an endpoint gets. Pure. */

const MAX_SUBSCRIPTIONS = 50;

const domainOf = (type: string): string => type.slice(0, type.indexOf("."));

const domains = [...new Set(eventTypes.map(domainOf))];

/** All events, all of a domain, or the events of one type. */
const patterns = ["*", ...domains.map((domain) => `${domain}.*`), ...eventTypes] as const;

const pattern = v.picklist(
  patterns,
  'must be "*", a domain such as "email.*", or the type of an event such as "email.delivered"',
);

/** The field `events` of an endpoint. Without repeats, in the order of the list of events. */
export const subscriptions = v.pipe(
  shortList(pattern, MAX_SUBSCRIPTIONS),
  v.minLength(1, "must name at least one event"),
  v.transform((listed) => patterns.filter((one) => listed.includes(one))),
);

/** The patterns that an event matches. */
const matchedBy = (type: string): string[] => ["*", `${domainOf(type)}.*`, type];

/** The tenant whose endpoints get the events of every tenant. */
export const OPERATOR_TENANT = "admin";

/** Whether an endpoint gets an event: one of its own tenant, or any if it is the operator's. */
export function matches(
  endpoint: { tenant: string; events: readonly string[] },
  event: { tenant: string; type: string },
): boolean {
  const isOwn = endpoint.tenant === event.tenant || endpoint.tenant === OPERATOR_TENANT;
  return isOwn && matchedBy(event.type).some((one) => endpoint.events.includes(one));
}
