import { beginCount, type CountRow } from "../../../shared/email/rules/counts.ts";
import * as counts from "../../../shared/email/sql/email-counts.ts";
import { expiring, LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements that count emails by day. */

const tenant = `user:${own.user}`;
const day = new Date(now).toISOString().slice(0, 10);
const row: CountRow = {
  tenant,
  kind: "tag",
  name: "welcome",
  waiting: 0,
  sent: 1,
  delivered: 0,
  bounced: 0,
  complained: 0,
  unknown: 0,
  dead: 0,
  cancelled: 0,
  suppressed: 0,
};

export const counting: Cases = {
  knownDays: (db) => counts.knownDays(db, now),
  readProgress: (db) => counts.readProgress(db, day),
  tenantsAfter: (db) => counts.tenantsAfter(db, "", day, LIMIT),
  emailsOfTenant: (db) => counts.emailsOfTenant(db, { tenant, after: null }, day, LIMIT),
  emailsOfTenants: (db) => counts.emailsOfTenants(db, [tenant, "user:none"], day, LIMIT),
  storedCounts: (db) => counts.storedCounts(db, [tenant], day),
  saveCounts: (db) =>
    counts.saveCounts(
      db,
      day,
      { changed: [row], gone: [{ ...row, name: "gone" }] },
      { progress: beginCount(now), countedAt: null },
    ),
  ...expiring("oldCounts", counts.oldCounts),
  ...expiring("oldCountDays", counts.oldCountDays),
};
