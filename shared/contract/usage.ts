import * as v from "valibot";
import { countedUsage, metric, usageIncrement, userId } from "../accounts/rules/schemas.ts";
import { NOT_A_CURSOR, pageOf } from "../http/lists.ts";
import { operation, page } from "./operation.ts";

const params = { userId: { schema: userId, names: "user" } };
const tag = "accounts";

export const addUsage = operation({
  id: "addUsage",
  method: "POST",
  path: "/api/users/:userId/usage",
  access: "self",
  tag,
  summary:
    "Add to one of a user's counters, atomically. A user has at most 100 counters. " +
    "`quota`: what the user's tier may count this month (UTC), and has counted.",
  params,
  idempotent: true,
  body: usageIncrement,
  answers: { 200: countedUsage },
  problems: [
    "wrong-state",
    "usage-quota",
    "idempotency-key-reused",
    "unavailable",
    "outcome-unknown",
  ],
});

/** The period and the metric of the last row shown. */
const usageCursor = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d{2}(-\d{2})?~[A-Za-z][A-Za-z0-9_.-]{0,63}$/, NOT_A_CURSOR),
  v.transform((text) => ({
    period: text.slice(0, text.indexOf("~")),
    metric: text.slice(text.indexOf("~") + 1),
  })),
);

const historyRow = v.strictObject({ metric: v.string(), period: v.string(), amount: v.number() });

export const usageHistory = operation({
  id: "usageHistory",
  method: "GET",
  path: "/api/users/:userId/usage/history",
  access: "self",
  tag,
  summary: "A user's usage by day or month (UTC), newest first. Only periods that have ended.",
  params,
  query: v.pipe(
    v.strictObject({
      by: v.optional(v.picklist(["day", "month"], 'must be "day" or "month"'), "day"),
      metric: v.optional(metric),
      limit: pageOf.entries.limit,
      cursor: v.optional(usageCursor),
    }),
    v.forward(
      v.check(
        ({ by, cursor }) =>
          cursor === undefined || cursor.period.length === (by === "day" ? 10 : 7),
        NOT_A_CURSOR,
      ),
      ["cursor"],
    ),
  ),
  answers: { 200: page(historyRow) },
  problems: ["unavailable"],
});
