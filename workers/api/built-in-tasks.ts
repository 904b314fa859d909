import type { BuiltInTaskAnswer } from "../../shared/contract/job-schemas.ts";
import { readDatabase } from "../../shared/database/read.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { lastRuns } from "../../shared/schedule/sql/history.ts";
import { pausedTasks } from "../../shared/schedule/sql/task-pauses.ts";
import type { ApiEnv } from "../env.ts";
import { taskAnswer, type Listing } from "./job-answers.ts";

/** Built-in tasks, beside jobs. luna-cron has the list. */

export async function askScheduler<Reply>(
  ask: () => Promise<Reply>,
): Promise<Result<Reply, Failure>> {
  try {
    return ok(await ask());
  } catch (error) {
    log("error", "scheduler.failed", describeError(error));
    return { ok: false, error: { tag: "unavailable", dependency: "scheduler" } };
  }
}

export async function taskAnswers(
  env: ApiEnv,
  listings: readonly Listing[],
): Promise<Result<BuiltInTaskAnswer[], Failure>> {
  const names = listings.map(({ name }) => name);
  const read = await readDatabase(env, async () => ({
    last: await lastRuns(env.DB, names),
    paused: await pausedTasks(env.DB, names),
  }));
  if (!read.ok) return read;
  const { last, paused } = read.value;
  return ok(
    listings.map((listing) =>
      taskAnswer(
        listing,
        last.find(({ task }) => task === listing.name),
        paused.get(listing.name),
      ),
    ),
  );
}

/** Null if Luna has no task of that name. */
export async function findListing(
  env: ApiEnv,
  name: string,
): Promise<Result<Listing | null, Failure>> {
  const listed = await askScheduler(() => env.CRON.list());
  return listed.ok ? ok(listed.value.find((one) => one.name === name) ?? null) : listed;
}
