import type { SuppressionAnswer } from "../../shared/contract/suppressions.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Suppression } from "../../shared/email/rules/suppressions.ts";
import * as lists from "../../shared/email/sql/suppression-lists.ts";
import { deleteSuppression, saveSuppression } from "../../shared/email/sql/suppressions.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, type Handler } from "./call.ts";

/** Suppressed addresses, oldest first. `nextCursor` is present while more follow. */
export const listSuppressions: Handler<"listSuppressions"> = async ({ query, env }) => {
  const { limit, cursor, ...filter } = query;
  const found = await readDatabase(env, () =>
    lists.findSuppressions(env.DB, filter, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(suppressionAnswer), ...next });
};

/** Suppresses an address. Emails queued for it are no longer sent. */
export const suppress: Handler<"suppress"> = async ({ body, env, now }) => {
  const { note = null, tenant = null, ...rest } = body;
  const write = () =>
    saveSuppression(env.DB, { ...rest, tenant, note, reason: "manual", createdAt: now });
  // Writing it twice has the effect of writing it once.
  const written = await writeDatabase(write, write);
  return written.ok ? json(suppressionAnswer(written.value), { status: 201 }) : written;
};

/** Lifts every suppression of an address, or those of a tenant or scope. */
export const unsuppress: Handler<"unsuppress"> = async ({ params: { address }, query, env }) => {
  const { tenant = null, scope = null } = query;
  const gone = await writeDatabase(() => deleteSuppression(env.DB, { address, tenant, scope }));
  if (!gone.ok) return gone;
  return gone.value ? noContent() : fail({ tag: "not-found", what: "suppression" });
};

/** How many suppressions a call looks at that lifts many. */
const PAGE = 1_000;

/** Lifts many. A filter is applied to one page, so that a call has bounded work. */
export const deleteSuppressions: Handler<"deleteSuppressions"> = async ({ body, env }) => {
  const { addresses, cursor, ...filter } = body;
  const { tenant = null, scope = null, reason = null, before = null } = filter;
  const deletable = { tenant, scope, reason, before };
  if (addresses !== undefined) {
    const deleted = await writeDatabase(() =>
      lists.deleteListed(env.DB, "address", addresses, deletable),
    );
    return deleted.ok ? json({ deleted: deleted.value }) : deleted;
  }
  // An index finds those of a tenant, or those of a scope.
  const indexed = tenant === null ? { scope: filter.scope } : { tenant };
  const found = await readDatabase(env, () =>
    lists.findSuppressions(env.DB, indexed, cursor ?? null, PAGE + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, PAGE, (one) => one.createdAt);
  const ids = rows.map(({ id }) => id);
  const deleted = await writeDatabase(() => lists.deleteListed(env.DB, "id", ids, deletable));
  if (!deleted.ok) return deleted;
  // They come in the order of their times: none after the page is older.
  const isOver = before !== null && (rows.at(-1)?.createdAt ?? 0) >= before;
  return json({ deleted: deleted.value, ...(!isOver && next) });
};

function suppressionAnswer(one: Suppression): SuppressionAnswer {
  const { address, tenant, scope, reason, note, createdAt } = one;
  return {
    address,
    ...(tenant !== null && { tenant }),
    scope,
    reason,
    ...(note !== null && { note }),
    createdAt: new Date(createdAt).toISOString(),
  };
}
