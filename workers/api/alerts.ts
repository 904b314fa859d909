import { isAcknowledged } from "../../shared/alerts/rules/evaluate.ts";
import { severityOf } from "../../shared/alerts/rules/severity.ts";
import { silenceOf, wrongTimes, type Silence } from "../../shared/alerts/rules/silences.ts";
import { alertChannelNames } from "../../shared/alerts/settings.ts";
import {
  acknowledge,
  readAlerts,
  readNotified,
  recentNotices,
  unacknowledge,
  type StoredAlert,
} from "../../shared/alerts/sql/alerts.ts";
import * as silences from "../../shared/alerts/sql/silences.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { iso } from "../../shared/http/time.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { json, noContent, type Handler } from "./call.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";

const RECENT = 50;

/** Alerts that are firing, the latest notices, and the channels that are configured. */
export const listAlerts: Handler<"listAlerts"> = async ({ env, now }) => {
  const read = await readDatabase(env, () =>
    Promise.all([
      readAlerts(env.DB),
      recentNotices(env.DB, RECENT),
      readNotified(env.DB),
      silences.findSilences(env.DB, now),
    ]),
  );
  if (!read.ok) return read;
  const [known, notices, notified, silenced] = read.value;
  const byKey = new Map(notified.map((one) => [one.key, one]));
  return json({
    firing: known.flatMap((alert) => {
      const { firedAt, holdsSince } = alert;
      if (firedAt === null || holdsSince === null) return [];
      const silence = silenceOf(silenced, alert.key, now);
      return [
        {
          ...firingAnswer(alert, { firedAt, holdsSince }),
          ...takenAt(byKey.get(alert.key)),
          ...(silence !== null && { silencedUntil: iso(silence.endsAt) }),
        },
      ];
    }),
    notices: notices.map(({ at, emailAt, webhookAt, ...notice }) => ({
      ...notice,
      severity: severityOf(notice.key),
      at: iso(at),
      ...takenAt({ emailAt, webhookAt }),
    })),
    channels: alertChannelNames(env),
  });
};

function firingAnswer(
  alert: StoredAlert,
  { firedAt, holdsSince }: { firedAt: number; holdsSince: number },
) {
  const { key, summary, flappingSince, held, acknowledgedAt, acknowledgedBy } = alert;
  const clearSince = held.at(-1)?.until ?? null;
  return {
    key,
    severity: severityOf(key),
    summary,
    since: iso(holdsSince),
    firedAt: iso(firedAt),
    ...(clearSince !== null && { clearSince: iso(clearSince) }),
    ...(flappingSince !== null && { flappingSince: iso(flappingSince) }),
    ...(isAcknowledged(alert) &&
      acknowledgedAt !== null && {
        acknowledgedAt: iso(acknowledgedAt),
        acknowledgedBy: acknowledgedBy ?? "unknown",
      }),
  };
}

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

/** An operator works on a firing alert. */
export const acknowledgeAlert: Handler<"acknowledgeAlert"> = async ({
  params: { key },
  caller,
  env,
  now,
}) => {
  // A repeat keeps who was first.
  const write = () => acknowledge(env.DB, key, { by: caller.actor, now });
  return doneOr("firing alert", await writeDatabase(write, write));
};

/** Withdraws an acknowledgement. */
export const unacknowledgeAlert: Handler<"unacknowledgeAlert"> = async ({ params: { key }, env }) =>
  doneOr("acknowledged alert", await writeDatabase(() => unacknowledge(env.DB, key)));

/** Silences that are not over. */
export const listSilences: Handler<"listSilences"> = async ({ env, now }) => {
  const found = await readDatabase(env, () => silences.findSilences(env.DB, now));
  return found.ok ? json({ items: found.value.map(silenceAnswer) }) : found;
};

/** Keeps the notices of some alerts for a time. */
export const silenceAlerts: Handler<"silenceAlerts"> = async (call) => {
  const { body, caller, env, now } = call;
  const silence: Silence = {
    id: crypto.randomUUID(),
    match: body.match,
    reason: body.reason,
    createdBy: caller.actor,
    startsAt: Math.max(body.startsAt ?? now, now),
    endsAt: body.endsAt,
  };
  const wrong = wrongTimes(silence, now);
  if (wrong !== null) return fail({ tag: "invalid", errors: [wrong] });
  const keyed = await keyedRequest(call, body);
  const create = async () => {
    const written = await writeDatabase(
      async () => {
        await silences.insertSilence(env.DB, silence, { keyed, now });
        return silence;
      },
      () => silences.findSilence(env.DB, silence.id),
    );
    return written.ok ? json(silenceAnswer(silence), { status: 201 }) : written;
  };
  const again = (id: string) =>
    readAgain(
      env,
      () => silences.findSilence(env.DB, id),
      (found) => json(silenceAnswer(found), { status: 201 }),
    );
  return await createOnce(call, keyed, { create, again });
};

/** Ends a silence. */
export const endSilence: Handler<"endSilence"> = async ({ params: { silenceId }, env, now }) =>
  doneOr("silence", await writeDatabase(() => silences.stopSilence(env.DB, silenceId, now)));

const silenceAnswer = ({ startsAt, endsAt, ...silence }: Silence) => ({
  ...silence,
  startsAt: iso(startsAt),
  endsAt: iso(endsAt),
});

function doneOr(what: string, written: Result<boolean, Failure>): Result<Response, Failure> {
  if (!written.ok) return written;
  return written.value ? noContent() : fail({ tag: "not-found", what });
}
