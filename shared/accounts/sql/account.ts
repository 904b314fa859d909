import type * as v from "valibot";
import { runBatch } from "../../database/batch.ts";
import { permissionsOf } from "../rules/permissions.ts";
import type { permissions, subscription, usage, User } from "../rules/schemas.ts";
import { selections, type SubscriptionRow } from "./related-reads.ts";
import { lookupColumn, userColumns, userFrom, type UserLookup, type UserRow } from "./users.ts";

/** What nearly every request of a user needs. `subscription`: null if there is none. */
export type UserAccount = {
  user: User;
  permissions: v.InferOutput<typeof permissions>;
  subscription: v.InferOutput<typeof subscription> | null;
  usage: v.InferOutput<typeof usage>;
};

/** Reads an account at one moment, in one round trip. Null: no such user, or deleted. */
export async function findAccount(
  db: D1Database,
  { by, value }: UserLookup,
): Promise<UserAccount | null> {
  const where = `${lookupColumn[by]} = ?1 AND deleted_at IS NULL`;
  const owner = by === "userId" ? "?1" : `(SELECT user_id FROM users WHERE ${where})`;
  const select = (sql: string): D1PreparedStatement => db.prepare(sql).bind(value);
  const { memberships, subscription: subscribed, usage: metrics } = selections;
  const found = await runBatch(db, {
    user: select(`SELECT ${userColumns} FROM users WHERE ${where}`),
    memberships: select(memberships.sql(owner)),
    subscription: select(subscribed.sql(owner)),
    usage: select(metrics.sql(owner)),
  });
  const [row] = found.user.results as UserRow[];
  if (row === undefined) return null;
  const user = userFrom(row);
  const { userId, tier, scopes } = user;
  const [subscriptionRow] = found.subscription.results as SubscriptionRow[];
  const teams = (found.memberships.results as Parameters<typeof memberships.convert>[0][]).map(
    memberships.convert,
  );
  return {
    user,
    permissions: { userId, tier, permissions: permissionsOf(tier, scopes), teams },
    subscription:
      subscriptionRow === undefined ? null : subscribed.convert(userId, subscriptionRow),
    usage: {
      userId,
      usage: metrics.convert(found.usage.results as Parameters<typeof metrics.convert>[0]),
    },
  };
}
