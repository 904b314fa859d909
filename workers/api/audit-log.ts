import { listAudit as readAudit } from "../../shared/audit/audit-log.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { json, type Handler } from "./call.ts";

/** What admins did, newest first. */
export const listAudit: Handler<"listAudit"> = async ({ env, query: { limit, cursor, actor } }) => {
  const found = await readDatabase(env, () =>
    readAudit(env.DB, actor ?? null, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({
    items: rows.map(({ at, ...entry }) => ({ ...entry, at: new Date(at).toISOString() })),
    ...next,
  });
};
