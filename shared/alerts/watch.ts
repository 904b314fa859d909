import { describeError, log } from "../lib/worker/log.ts";
import { counters } from "../telemetry/counters.ts";
import { judge, quiet, type Finding } from "./rules/evaluate.ts";
import {
  dropNotice,
  markSaid,
  readAlerts,
  saveJudged,
  takeNotice,
  unsaid,
  type Channel,
  type Notice,
} from "./sql/alerts.ts";

/**
 * Says one notice. Rejects if it could not: then it is said later. Must bear to be asked twice for
 * the same notice.
 */
export type Say = (notice: Notice) => Promise<void>;

/** Notices of one round: an outage that ends must not flood anybody. */
const PER_ROUND = 20;

/**
 * Judges what was found, and writes down what is to be said.
 *
 * @param overBecause why an alert is over of which nothing was found; null while that tells nothing
 */
export async function noteFindings(
  db: D1Database,
  findings: Finding[],
  now: number,
  newId: () => string,
  overBecause: (key: string) => string | null = () => null,
): Promise<void> {
  const known = new Map((await readAlerts(db)).map((alert) => [alert.key, alert]));
  const gone = [...known.keys()].flatMap((key): Finding[] => {
    const over = findings.some((finding) => finding.key === key) ? null : overBecause(key);
    return over === null ? [] : [{ key, holds: false, forMs: 0, summary: "", over }];
  });
  const judged = [...findings, ...gone].flatMap((finding) => {
    const before = known.get(finding.key) ?? null;
    const { alert, say } = judge(before ?? quiet, finding, now);
    const isSame =
      alert.holdsSince === (before?.holdsSince ?? null) &&
      alert.firedAt === (before?.firedAt ?? null);
    return say === null && isSame ? [] : [{ finding, before, alert, say, noticeId: newId() }];
  });
  if (judged.length > 0) await saveJudged(db, judged, now);
}

/**
 * Says what is to be said, each channel for itself: one that is broken says it later, and keeps no
 * other from saying it now.
 */
export async function sayNotices(
  db: D1Database,
  channels: Partial<Record<Channel, Say>>,
  clock: () => number,
): Promise<void> {
  await Promise.all(
    Object.entries(channels).map(async ([name, say]) => {
      const channel = name as Channel;
      try {
        for (const notice of await unsaid(db, channel, clock(), PER_ROUND))
          await sayOne(db, channel, notice, say, clock);
      } catch (error) {
        log("error", "alert.channel_failed", { channel, ...describeError(error) });
      }
    }),
  );
}

/** Another round may be at it, and must not say it too. */
const LEASE_MS = 60_000;

async function sayOne(
  db: D1Database,
  channel: Channel,
  notice: Notice,
  say: Say,
  clock: () => number,
): Promise<void> {
  const now = clock();
  if (!(await takeNotice(db, channel, notice.id, now, now + LEASE_MS))) return;
  try {
    await say(notice);
  } catch (error) {
    counters.count("luna_alert_failures_total", { channel });
    await dropNotice(db, channel, notice.id);
    throw error;
  }
  counters.count("luna_alerts_sent_total", { channel });
  await markSaid(db, channel, notice.id, clock());
}
