import { fanOut } from "../../lib/worker/fan-out.ts";
import { counters } from "../../telemetry/counters.ts";
import type { Called } from "../../webhooks/call-endpoint.ts";
import { attemptOf } from "../../webhooks/deliver.ts";
import { settleDelivery } from "../../webhooks/rules/delivery.ts";
import { durationMs, kindOf } from "../rules/job-definition.ts";
import { jobRetryRules } from "../rules/jobs.ts";
import { claimRuns, recordRuns, type ClaimedRun } from "../sql/job-runs.ts";
import { callTarget, type CallPorts } from "./call-target.ts";

export type RunPorts = CallPorts & { db: D1Database; random: () => number };

/** A run that is to be looked at again. */
export type NextRun = { id: string; at: number };

const MAX_LOG = 10;

/**
 * Calls what is due of these runs, all at once. Each outcome is recorded when it is there: a slow
 * receiver delays no other run's record.
 *
 * @param ids at most as many as an invocation has connections
 * @param onNext gets each run that is due next: another attempt, or one that waited
 */
export async function runDueJobs(
  ports: RunPorts,
  ids: readonly string[],
  onNext: (next: readonly NextRun[]) => Promise<void>,
): Promise<void> {
  const token = crypto.randomUUID();
  const claimed = await claimRuns(ports.db, { ids, token }, ports.now());
  await fanOut(claimed, async (run) => {
    if (run.attempts === 1 && run.generation === 1 && run.trigger === "schedule")
      counters.observe("luna_job_delay_seconds", {}, Math.max(ports.now() - run.slot, 0));
    const called = await callTarget(ports, run);
    const target = kindOf(run.job.target);
    counters.count("luna_job_calls_total", { target, outcome: called.outcome.kind });
    const next = await record(ports, run, called, token);
    if (next.length > 0) await onNext(next);
  });
}

async function record(
  { db, now: clock, random }: RunPorts,
  run: ClaimedRun,
  called: Called,
  token: string,
): Promise<NextRun[]> {
  const now = clock();
  const { max, backoff } = run.job.retries;
  const retries = jobRetryRules({ max, backoffMs: durationMs(backoff) });
  const settled = settleDelivery(run, called.outcome, { now, random: random(), retries });
  const log = [...run.log, attemptOf(called, now)].slice(-MAX_LOG);
  const promoted = await recordRuns(db, [{ id: run.id, token, settled, log }], [run.job.id], now);
  return [
    ...promoted.map((id) => ({ id, at: now })),
    ...(settled.status === "pending" ? [{ id: run.id, at: settled.dueAt }] : []),
  ];
}
