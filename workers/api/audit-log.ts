import { findAuditEntries } from "../../shared/database/audit-log.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { mayNameAddress } from "../../shared/database/rules/audit-changes.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { json, type Handler } from "./call.ts";

const withoutAddress = (segment: string): string => (mayNameAddress(segment) ? "…" : segment);

/**
 * What operators did and read, and what users did about the security of accounts, newest first. An
 * earlier release stored addresses in paths: they are not shown.
 */
export const listAudit: Handler<"listAudit"> = async ({ env, query: { limit, cursor, actor } }) => {
  const found = await readDatabase(env, () =>
    findAuditEntries(env.DB, actor ?? null, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({
    items: rows.map(({ at, path, ...entry }) => ({
      ...entry,
      path: path.split("/").map(withoutAddress).join("/"),
      at: new Date(at).toISOString(),
    })),
    ...next,
  });
};
