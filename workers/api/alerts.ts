import { readAlerts, recentNotices } from "../../shared/alerts/sql/alerts.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { json, type Handler } from "./call.ts";

const RECENT = 50;
const iso = (at: number): string => new Date(at).toISOString();

/** Alerts that are firing, and the latest notices. */
export const listAlerts: Handler<"listAlerts"> = async ({ env }) => {
  const read = await readDatabase(env, () =>
    Promise.all([readAlerts(env.DB), recentNotices(env.DB, RECENT)]),
  );
  if (!read.ok) return read;
  const [known, notices] = read.value;
  const firing = known.flatMap(({ key, summary, holdsSince, firedAt }) =>
    firedAt === null || holdsSince === null
      ? []
      : [{ key, summary, since: iso(holdsSince), firedAt: iso(firedAt) }],
  );
  return json({
    firing,
    notices: notices.map(({ at, emailAt, webhookAt, ...notice }) => ({
      ...notice,
      at: iso(at),
      ...(emailAt !== null && { emailAt: iso(emailAt) }),
      ...(webhookAt !== null && { webhookAt: iso(webhookAt) }),
    })),
  });
};
