import { alertChannelNames } from "../../shared/alerts/settings.ts";
import { readAlerts, readNotified, recentNotices } from "../../shared/alerts/sql/alerts.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { json, type Handler } from "./call.ts";

const RECENT = 50;
const iso = (at: number): string => new Date(at).toISOString();

/** Alerts that are firing, the latest notices, and the channels that are configured. */
export const listAlerts: Handler<"listAlerts"> = async ({ env }) => {
  const read = await readDatabase(env, () =>
    Promise.all([readAlerts(env.DB), recentNotices(env.DB, RECENT), readNotified(env.DB)]),
  );
  if (!read.ok) return read;
  const [known, notices, notified] = read.value;
  const byKey = new Map(notified.map((one) => [one.key, one]));
  const firing = known.flatMap(({ key, summary, holdsSince, firedAt, flappingSince, held }) => {
    if (firedAt === null || holdsSince === null) return [];
    const clearSince = held.at(-1)?.until ?? null;
    return [
      {
        key,
        summary,
        since: iso(holdsSince),
        firedAt: iso(firedAt),
        ...takenAt(byKey.get(key)),
        ...(clearSince !== null && { clearSince: iso(clearSince) }),
        ...(flappingSince !== null && { flappingSince: iso(flappingSince) }),
      },
    ];
  });
  return json({
    firing,
    notices: notices.map(({ at, emailAt, webhookAt, ...notice }) => ({
      ...notice,
      at: iso(at),
      ...takenAt({ emailAt, webhookAt }),
    })),
    channels: alertChannelNames(env),
  });
};

function takenAt(
  { emailAt, webhookAt }: { emailAt: number | null; webhookAt: number | null } = {
    emailAt: null,
    webhookAt: null,
  },
) {
  return {
    ...(emailAt !== null && { emailAt: iso(emailAt) }),
    ...(webhookAt !== null && { webhookAt: iso(webhookAt) }),
  };
}
