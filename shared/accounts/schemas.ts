import * as v from "valibot";
import { address } from "../email/address.ts";
import { shortList } from "../http/lists.ts";

/** No colon: a user's id is a part of cache keys, where the colon separates. */
const userId = v.pipe(
  v.string("must be text"),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    "must be 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit",
  ),
);

/** Accounts compare addresses without case, so they are kept in lower case. */
export const accountEmail = v.pipe(address, v.toLowerCase());

const tier = v.picklist(["free", "pro", "enterprise"], 'must be "free", "pro" or "enterprise"');
const scope = v.picklist(["emails:send"], 'must be "emails:send"');

export const newUser = v.strictObject({ userId, email: accountEmail, tier: v.optional(tier, "free") });

/** Absent fields stay as they are. */
export const userChanges = v.pipe(
  v.strictObject({
    email: v.optional(accountEmail),
    tier: v.optional(tier),
    scopes: v.optional(shortList(scope, 8)),
  }),
  v.check((changes) => Object.keys(changes).length > 0, "must change at least one of email, tier, scopes"),
);

export type NewUser = v.InferOutput<typeof newUser>;
export type UserChanges = v.InferOutput<typeof userChanges>;
export type Tier = v.InferOutput<typeof tier>;
export type Scope = v.InferOutput<typeof scope>;

export type User = {
  userId: string;
  email: string;
  tier: Tier;
  /** What the user's API key may do beyond the user's own account. */
  scopes: Scope[];
  /** The first characters of the API key, to tell keys apart. */
  apiKeyPrefix: string;
  /** ISO 8601. */
  createdAt: string;
  updatedAt: string;
};
