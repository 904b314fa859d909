import { deadLetterRetentionDays } from "../../../shared/email/settings.ts";
import {
  countContents,
  countEnded,
  deleteContents,
  deleteEnded,
  type EndedAs,
  type WithContent,
} from "../../../shared/email/sql/retention.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import {
  drainInBatches,
  sumOfLeft,
  type DrainCounts,
} from "../../../shared/schedule/drain-in-batches.ts";
import type { CronEnv } from "../../env.ts";
import { exportContents, exportEmails } from "../export-emails.ts";
import { exportOf } from "../export.ts";
import { retentionOf } from "../settings.ts";
import type { CronTask } from "../task.ts";

/**
 * Emails per statement, and statements per run for each reason: 2.8 million emails per day. Of an
 * email seven rows are deleted, and more would block other writes for too long.
 */
const PACE = { batchSize: 500, maxBatches: 20 };

/**
 * Deletes what is over: first contents, then whole emails with their recipients and events. What
 * waits, is being handed over or has a dead letter stays.
 */
export const expireEmails: CronTask = {
  name: "expire-emails",
  cron: "3-59/5 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  onlyDeletes: true,
  async run({ context: env, signal }) {
    const { contentMs, emailMs, unknownMs, isExported } = retentionOf(env);
    const write = exportOf(env, isExported);
    const now = Date.now();
    const lettersMs = lettersKeptMs(env);
    const contents = (of: WithContent, keptMs: number): Promise<DrainCounts> =>
      drainInBatches(
        {
          drainSome: (until, limit) =>
            write === null
              ? deleteContents(env.DB, of, until, limit)
              : exportContents(env.DB, write, of, { until, limit }),
          count: (until, limit) => countContents(env.DB, of, until, limit),
        },
        now - keptMs,
        signal,
        PACE,
      );
    const emails = (of: EndedAs, keptMs: number): Promise<DrainCounts> =>
      drainInBatches(
        {
          drainSome: (until, limit) =>
            write === null
              ? deleteEnded(env.DB, of, until, limit)
              : exportEmails(env.DB, write, of, { until, limit }),
          count: (until, limit) => countEnded(env.DB, of, until, limit),
        },
        now - keptMs,
        signal,
        PACE,
      );
    const ofContents = [
      await contents("over", contentMs),
      await contents("dead", lettersMs + contentMs),
    ];
    const ofEmails = [
      await emails("over", emailMs),
      await emails("dead", lettersMs + emailMs),
      await emails("unknown", unknownMs),
    ];
    return {
      contents: sumOf(ofContents),
      emails: sumOf(ofEmails),
      ...sumOfLeft([...ofContents, ...ofEmails]),
    };
  },
};

const sumOf = (all: DrainCounts[]): number => all.reduce((sum, { drained }) => sum + drained, 0);

/** @throws Error with the name of a bad variable */
function lettersKeptMs(env: CronEnv): number {
  const days = deadLetterRetentionDays(env);
  if (days.ok) return days.value * DAY_MS;
  throw new Error(`${days.error.variable} ${days.error.message}`);
}
