import type { Cursor } from "../../http/lists.ts";
import { addressOfCursor, cursorOfAddress } from "../rules/address-cursor.ts";
import type { User } from "../rules/schemas.ts";
import { userColumns, userFrom, type UserRow } from "./users.ts";

/** SQL of lists of users. Each is in the order of an index, which finds what it filters by. */

/** `from`: not before this time. `to`: before it. */
type Range = { from: number | null; to: number | null };

export type UserFilter =
  | ({ by: "created" | "updated" } & Range)
  /** The beginning of the id or of the address. */
  | { by: "id" | "address"; prefix: string };

/** `id` and `at`: what the cursor of the next page names. */
export type ListedUser = { id: string; at: number; user: User };

/** One page: newest first, or in the order of the prefix. `before`: the last one shown. */
export async function findUsers(
  db: D1Database,
  filter: UserFilter,
  before: Cursor | null,
  limit: number,
): Promise<ListedUser[]> {
  switch (filter.by) {
    case "created":
    case "updated":
      return await findByTime(db, filter, before, limit);
    case "id":
    case "address":
      return await findByPrefix(db, filter, before, limit);
  }
}

const times = { created: "created_at", updated: "updated_at" } as const;

async function findByTime(
  db: D1Database,
  { by, from, to }: Extract<UserFilter, { by: "created" | "updated" }>,
  before: Cursor | null,
  limit: number,
): Promise<ListedUser[]> {
  const end = { at: to ?? Number.MAX_SAFE_INTEGER, id: "" };
  const { at, id } = before !== null && before.at < end.at ? before : end;
  const time = times[by];
  const { results } = await db
    .prepare(
      `SELECT ${userColumns} FROM users
       WHERE deleted_at IS NULL AND ${time} >= ?4 AND (${time}, user_id) < (?1, ?2)
       ORDER BY ${time} DESC, user_id DESC LIMIT ?3`,
    )
    .bind(at, id, limit, from ?? 0)
    .all<UserRow>();
  return results.map((row) => ({
    id: row.userId,
    at: by === "created" ? row.createdAt : row.updatedAt,
    user: userFrom(row),
  }));
}

/** After every character that an id or address may have. */
const LAST = String.fromCodePoint(0x10ffff);

/** Deleted users have no address, and would be gone through by their ids. */
const ordered = {
  id: { column: "user_id", index: "INDEXED BY users_by_id", alive: "AND deleted_at IS NULL" },
  address: { column: "email", index: "", alive: "" },
} as const;

async function findByPrefix(
  db: D1Database,
  { by, prefix }: Extract<UserFilter, { by: "id" | "address" }>,
  after: Cursor | null,
  limit: number,
): Promise<ListedUser[]> {
  const { column, index, alive } = ordered[by];
  const { results } = await db
    .prepare(
      `SELECT ${userColumns} FROM users ${index}
       WHERE ${column} >= ?1 AND ${column} < ?2 AND ${column} > ?3 ${alive}
       ORDER BY ${column} LIMIT ?4`,
    )
    .bind(prefix, prefix + LAST, after === null ? "" : fromCursor(by, after), limit)
    .all<UserRow>();
  return results.map((row) => {
    const user = userFrom(row);
    return { id: by === "id" ? user.userId : cursorOfAddress(user.email), at: 0, user };
  });
}

/** Nothing follows the cursor of another list. */
const fromCursor = (by: "id" | "address", { id }: Cursor): string =>
  by === "id" ? id : (addressOfCursor(id) ?? LAST);
