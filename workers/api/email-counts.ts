import { readDatabase } from "../../shared/database/read.ts";
import { countStates, REST } from "../../shared/email/rules/counts.ts";
import { ALL_TENANTS, findCounts, type FoundCount } from "../../shared/email/sql/email-counts.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, ownerOf, type Handler } from "./call.ts";

/** The counts of the caller's emails by day; for the admin or a viewer of all tenants. */
export const listEmailCounts: Handler<"listEmailCounts"> = async ({ query, env, caller }) => {
  const { by: kind, day = null, limit, cursor = null } = query;
  const own = ownerOf(caller);
  if (own !== null && query.tenant !== undefined && query.tenant !== own)
    return fail({ tag: "forbidden", detail: "A user's key counts only the user's own emails." });
  const tenant = own ?? query.tenant ?? ALL_TENANTS;
  const found = await readDatabase(env, () =>
    findCounts(env.DB, { tenant, kind, day }, cursor, limit + 1),
  );
  if (!found.ok) return found;
  const shown = found.value.slice(0, limit);
  const last = found.value.length > limit ? shown.at(-1) : undefined;
  return json({
    items: shown.map(answerOf),
    ...(last !== undefined && { nextCursor: `${last.day}~${last.name}` }),
  });
};

function answerOf({ day, name, countedAt, ...counts }: FoundCount): object {
  return {
    day,
    ...(name !== REST && { name }),
    accepted: countStates.reduce((sum, state) => sum + counts[state], 0),
    ...counts,
    ...(countedAt !== null && { countedAt: new Date(countedAt).toISOString() }),
  };
}
