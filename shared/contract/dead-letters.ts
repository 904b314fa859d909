import * as v from "valibot";
import { deadReasons } from "../email/rules/dead-reasons.ts";
import { pageOf, shortList } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { record } from "../lib/worker/record.ts";
import { count, emailEvents, operation, page } from "./operation.ts";

const tag = "operations";
const text = v.pipe(
  v.string("must be text"),
  v.minLength(1, "is empty"),
  v.maxLength(320, "is too long"),
);
const filter = {
  kind: v.optional(v.picklist(["email", "poison"], 'must be "email" or "poison"')),
  reason: v.optional(
    v.picklist(
      deadReasons,
      `must be one of ${deadReasons.map((reason) => `"${reason}"`).join(", ")}`,
    ),
  ),
  tenant: v.optional(text),
  to: v.optional(text),
  buriedBefore: v.optional(timestamp),
};

/** Of emails only. */
const { kind: _, ...emailFilter } = filter;

const params = { id: { schema: v.string(), names: "dead letter", encoded: true } } as const;

const deadLetter = {
  id: v.string(),
  kind: v.picklist(["email", "poison"]),
  generation: v.optional(count),
  reason: v.string(),
  lastError: v.optional(record(v.string(), v.unknown())),
  attempts: count,
  to: v.optional(v.string()),
  recipients: v.optional(v.array(v.string())),
  subject: v.optional(v.string()),
  rawBody: v.optional(v.string()),
  buriedAt: time,
  expiresAt: time,
};

export const listDeadLetters = operation({
  id: "listDeadLetters",
  method: "GET",
  path: "/api/admin/email/dlq",
  access: "viewer",
  tag,
  summary: "Dead letters, oldest first. By to: of the 1,000 newest dead emails to it.",
  query: v.strictObject({ ...pageOf.entries, ...filter }),
  answers: { 200: page(named("DeadLetter", deadLetter)) },
  problems: ["unavailable"],
});

/** `code` to `text`: of the answer that ended the last attempt. `text`: of one of them. */
const cause = named("DeadLetterCause", {
  reason: v.string(),
  transport: v.optional(v.string()),
  phase: v.optional(v.string()),
  code: v.optional(v.union([v.number(), v.string()])),
  enhancedCode: v.optional(v.string()),
  text: v.optional(v.string()),
  ids: v.array(v.string()),
  oldestAt: time,
  newestAt: time,
});

export const listDeadLetterCauses = operation({
  id: "listDeadLetterCauses",
  method: "GET",
  path: "/api/admin/email/dlq-causes",
  access: "viewer",
  tag,
  summary:
    "The oldest 1,000 dead emails by what ended them, with their ids for a replay. more: others " +
    "follow that were not looked at.",
  query: v.strictObject(emailFilter),
  answers: { 200: v.strictObject({ items: v.array(cause), more: v.boolean() }) },
  problems: ["unavailable"],
});

export const getDeadLetter = operation({
  id: "getDeadLetter",
  method: "GET",
  path: "/api/admin/email/dlq/:id",
  access: "viewer",
  tag,
  summary: "A dead letter with the answer to each attempt, or with the body of an invalid message.",
  params,
  answers: { 200: named("DeadLetterWithEvents", { ...deadLetter, events: emailEvents }) },
  problems: ["unavailable"],
});

export const discardDeadLetter = operation({
  id: "discardDeadLetter",
  method: "DELETE",
  path: "/api/admin/email/dlq/:id",
  access: "admin",
  tag,
  summary: "Delete a dead letter. Its email becomes discarded permanently.",
  params,
  answers: { 204: null },
  problems: ["unavailable", "outcome-unknown"],
});

const wholeNumber = (fallback: number, max: number) =>
  v.optional(
    v.pipe(
      v.number("must be a number"),
      v.integer("must be a whole number"),
      v.minValue(1, "must be at least 1"),
      v.maxValue(max, `must be at most ${max}`),
    ),
    fallback,
  );

export const processDeadLetters = operation({
  id: "processDeadLetters",
  method: "POST",
  path: "/api/admin/email/process-dlq",
  access: "admin",
  tag,
  summary: "Queue dead emails again. success means requeued; the email shows its delivery.",
  body: v.pipe(
    v.strictObject({
      limit: wholeNumber(10, 1_000),
      ids: v.optional(
        shortList(v.pipe(v.string("must be text"), v.maxLength(64, "is too long")), 1_000),
      ),
      filter: v.optional(v.strictObject(emailFilter)),
      dryRun: v.optional(v.boolean("must be true or false"), false),
      ratePerSecond: wholeNumber(10, 1_000),
    }),
    v.check(
      (wanted) => wanted.ids === undefined || wanted.filter === undefined,
      "must name either ids or a filter",
    ),
  ),
  answers: {
    200: v.strictObject({
      processed: count,
      errors: count,
      items: v.array(
        v.strictObject({
          id: v.string(),
          success: v.boolean(),
          status: v.string(),
          attempts: count,
          error: v.optional(v.string()),
        }),
      ),
    }),
  },
  problems: ["unavailable", "outcome-unknown"],
});
