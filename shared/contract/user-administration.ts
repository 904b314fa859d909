import * as v from "valibot";
import { addressOfCursor } from "../accounts/rules/address-cursor.ts";
import { suspension, user, userId } from "../accounts/rules/schemas.ts";
import { cursorWith, NOT_A_CURSOR, pageOf } from "../http/lists.ts";
import { timestamp } from "../http/time.ts";
import { operation, page } from "./operation.ts";

/** How operators find and suspend users. */

const params = { userId: { schema: userId, names: "user" } };
const found = v.strictObject({ user });
const tag = "accounts";

const suspending = {
  method: "POST",
  access: "admin",
  tag,
  params,
  answers: { 200: found },
  problems: ["unavailable", "outcome-unknown"],
} as const;

export const suspendUser = operation({
  ...suspending,
  id: "suspendUser",
  path: "/api/users/:userId/suspend",
  summary:
    "Suspend a user: each request with a key of theirs answers 403 account-suspended, and their " +
    "emails wait. Nothing is lost. A repeat changes the reason.",
  body: suspension,
});

export const resumeUser = operation({
  ...suspending,
  id: "resumeUser",
  path: "/api/users/:userId/resume",
  summary: "End the suspension of a user: their keys work, and their emails leave.",
});

const PREFIXES = ["idPrefix", "emailPrefix"] as const;
const CREATED = ["createdFrom", "createdTo"] as const;
const UPDATED = ["updatedFrom", "updatedTo"] as const;
const prefix = v.pipe(v.string(), v.nonEmpty("is empty"), v.maxLength(254, "is too long"));

/** An index finds users by one of these: a second one would be gone through. */
const userFilters = v.pipe(
  v.strictObject({
    limit: pageOf.entries.limit,
    cursor: v.optional(cursorWith(/[\w.-]{1,400}/)),
    idPrefix: v.optional(prefix),
    emailPrefix: v.optional(v.pipe(prefix, v.toLowerCase())),
    createdFrom: v.optional(timestamp),
    createdTo: v.optional(timestamp),
    updatedFrom: v.optional(timestamp),
    updatedTo: v.optional(timestamp),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const given = dataset.value;
    const kinds = [...PREFIXES.map((one) => [one]), CREATED, UPDATED].filter((kind) =>
      kind.some((name) => given[name] !== undefined),
    );
    const [name] = kinds[1]?.filter((one) => given[one] !== undefined) ?? [];
    if (name === undefined) return;
    const path = { type: "object", origin: "value", input: given, key: name } as const;
    addIssue({
      message: "cannot be combined with another filter",
      path: [{ ...path, value: given[name] }],
    });
  }),
  v.forward(
    v.check(
      ({ emailPrefix, cursor }) =>
        emailPrefix === undefined || cursor === undefined || addressOfCursor(cursor.id) !== null,
      NOT_A_CURSOR,
    ),
    ["cursor"],
  ),
);

export const listUsers = operation({
  id: "listUsers",
  method: "GET",
  path: "/api/admin/users",
  access: "admin",
  tag,
  summary:
    "Users, newest first: all, or those who were created or changed in a time. Or those whose id " +
    "or address has a prefix, in its order.",
  query: userFilters,
  answers: { 200: page(user) },
  problems: ["unavailable"],
});
