import * as v from "valibot";
import { countKinds, countStates } from "../email/rules/counts.ts";
import { NOT_A_CURSOR, pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { count, operation, page } from "./operation.ts";

const dayText = /^\d{4}-\d{2}-\d{2}$/;
const NOT_A_DAY = "must be a day such as 2026-01-31";

const cursor = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d{2}-\d{2}~.{0,320}$/, NOT_A_CURSOR),
  v.transform((text) => ({ day: text.slice(0, 10), name: text.slice(11) })),
);

const states = Object.fromEntries(countStates.map((state) => [state, count])) as Record<
  (typeof countStates)[number],
  typeof count
>;

export const listEmailCounts = operation({
  id: "listEmailCounts",
  method: "GET",
  path: "/api/email-counts",
  access: "reader",
  tag: "emails",
  summary:
    "How many of the caller's emails were accepted on each day (UTC), and their states at " +
    "countedAt; newest day first. An operator gets those of all tenants, or of one. By tag, " +
    "sender or transport: the first 100 names of a day; the item without a name has the rest.",
  query: v.strictObject({
    by: v.optional(
      v.picklist(countKinds, `must be one of ${countKinds.map((kind) => `"${kind}"`).join(", ")}`),
      "day",
    ),
    day: v.optional(v.pipe(v.string(NOT_A_DAY), v.regex(dayText, NOT_A_DAY))),
    tenant: v.optional(v.pipe(v.string("must be text"), v.maxLength(100, "is too long"))),
    limit: pageOf.entries.limit,
    cursor: v.optional(cursor),
  }),
  answers: {
    200: page(
      named("EmailCount", {
        day: v.string(),
        name: v.optional(v.string()),
        accepted: count,
        ...states,
        countedAt: v.optional(time),
      }),
    ),
  },
  problems: ["forbidden", "unavailable"],
});
