import { knownNames } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { emailBacklog } from "../../shared/email/sql/emails.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { ok } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import {
  exposition,
  EXPOSITION_TYPE,
  type Sample,
} from "../../shared/telemetry/rules/exposition.ts";
import type { Labels, MetricName, Part } from "../../shared/telemetry/rules/metrics.ts";
import { TELEMETRY_NAME } from "../../shared/telemetry/rules/rpc.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";

/** The longest that a scrape waits for one of its parts. */
const PART_TIMEOUT_MS = 2_000;

/** All metrics, for Prometheus. `luna_scrape_ok` is 0 for a part that does not answer. */
export const scrapeMetrics: Handler<"scrapeMetrics"> = async ({ env, now }) => {
  const [fleet, breakers, email, tasks] = await Promise.all([
    part("telemetry", () => fleetPart(env)),
    breakersPart(env),
    part("email", () => emailPart(env, now)),
    part("tasks", () => tasksPart(env)),
  ]);
  const answered: Record<Part, boolean> = {
    telemetry: fleet !== null,
    breakers: breakers.ok,
    email: email !== null,
    tasks: tasks !== null,
  };
  const oks = Object.entries(answered).map(([name, isOk]) =>
    sample("luna_scrape_ok", { part: name as Part }, isOk ? 1 : 0),
  );
  const samples = [
    ...(fleet?.samples ?? []),
    ...breakers.samples,
    ...(email ?? []),
    ...(tasks ?? []),
    ...oks,
  ];
  const headers = { "Content-Type": EXPOSITION_TYPE, "Cache-Control": "no-store" };
  return ok(new Response(exposition(fleet?.totals ?? null, samples, knownNames), { headers }));
};

/** Null for a part that failed or took too long. */
async function part<Value>(name: string, read: () => Promise<Value>): Promise<Value | null> {
  try {
    return await within(PART_TIMEOUT_MS, read());
  } catch (error) {
    log("error", "metrics.part_unread", { part: name, ...describeError(error) });
    return null;
  }
}

const sample = <Name extends MetricName>(
  name: Name,
  labels: Labels<Name>,
  value: number,
): Sample => ({ name, labels, value });

async function fleetPart(
  env: ApiEnv,
): Promise<{ totals: Record<string, number>; samples: Sample[] }> {
  const { totals, isolates, reportedAt } = await getStub(
    env.TELEMETRY,
    TELEMETRY_NAME,
    env,
  ).inspect();
  const reports = Object.entries(reportedAt) as [keyof typeof reportedAt, number][];
  return {
    totals,
    samples: [
      sample("luna_telemetry_isolates", {}, isolates),
      ...reports.map(([worker, at]) =>
        sample("luna_telemetry_last_report_timestamp_seconds", { worker }, at / 1_000),
      ),
    ],
  };
}

const states = ["CLOSED", "OPEN", "HALF_OPEN"] as const;
const stateLabel = { CLOSED: "closed", OPEN: "open", HALF_OPEN: "half_open" } as const;

/** Shows the breakers that answer, even if another does not. */
async function breakersPart(env: ApiEnv): Promise<{ ok: boolean; samples: Sample[] }> {
  const breakers = await inspectAll(env);
  const samples = breakers.flatMap(({ name: dependency, inspection }) => {
    if (inspection === null) return [];
    return [
      ...states.map((state) =>
        sample(
          "luna_circuit_breaker_state",
          { dependency, state: stateLabel[state] },
          inspection.state === state ? 1 : 0,
        ),
      ),
      // Transitions are numbered from the first on.
      sample("luna_circuit_breaker_transitions_total", { dependency }, inspection.last?.id ?? 0),
    ];
  });
  return { ok: breakers.every(({ inspection }) => inspection !== null), samples };
}

async function emailPart(env: ApiEnv, now: number): Promise<Sample[]> {
  const { scheduled, queued, pinned, due, oldestDueAt, inFlight, unknown, dead } =
    await emailBacklog(env.DB, now);
  const backlog = { scheduled, queued, pinned, due, in_flight: inFlight, unknown };
  return [
    ...(Object.entries(backlog) as [keyof typeof backlog, number][]).map(([state, number]) =>
      sample("luna_email_backlog", { state }, number),
    ),
    sample(
      "luna_email_oldest_due_age_seconds",
      {},
      oldestDueAt === null ? 0 : Math.max(now - oldestDueAt, 0) / 1_000,
    ),
    sample("luna_dead_letters", {}, dead),
  ];
}

async function tasksPart(env: ApiEnv): Promise<Sample[]> {
  const { watched, overdue } = await getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env).inspect();
  return [
    sample("luna_tasks_watched", {}, watched),
    sample("luna_tasks_overdue", {}, overdue.length),
  ];
}
