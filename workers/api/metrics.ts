import { databaseLimit } from "../../shared/database/settings.ts";
import { readSize } from "../../shared/database/size.ts";
import { knownNames } from "../../shared/dependencies/dependencies.ts";
import { inspectAll } from "../../shared/dependencies/inspect-all.ts";
import { emailPaces } from "../../shared/email/paces.ts";
import { emailBacklog } from "../../shared/email/sql/emails.ts";
import { COUNTED_UP_TO } from "../../shared/lib/base/counted.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import { INDEX_NAME, type TagInspection } from "../../shared/lib/cache/rules/index.ts";
import type { Inspection } from "../../shared/lib/circuit-breaker/rules/index.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import type { Invalid } from "../../shared/lib/worker/validate.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import {
  exposition,
  EXPOSITION_TYPE,
  type Sample,
} from "../../shared/telemetry/rules/exposition.ts";
import {
  workerNames,
  type Labels,
  type MetricName,
  type Part,
} from "../../shared/telemetry/rules/metrics.ts";
import { TELEMETRY_NAME, type BreakerRegistry } from "../../shared/telemetry/rules/rpc.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { knownSeries } from "./known-series.ts";

/** The longest that a scrape waits for one of its parts. */
const PART_TIMEOUT_MS = 2_000;

/** All metrics, for Prometheus. `luna_scrape_ok` is 0 for a part that does not answer. */
export const scrapeMetrics: Handler<"scrapeMetrics"> = async ({ env, now }) => {
  const [fleet, breakers, email, tasks, cache] = await Promise.all([
    part("telemetry", () => fleetPart(env)),
    breakersPart(env),
    part("email", () => emailPart(env, now)),
    part("tasks", () => tasksPart(env)),
    part("cache", () => cachePart(env)),
  ]);
  const answered: Record<Part, boolean> = {
    telemetry: fleet !== null,
    breakers: breakers.ok,
    email: email !== null,
    tasks: tasks !== null,
    cache: cache !== null,
  };
  const oks = Object.entries(answered).map(([name, isOk]) =>
    sample("luna_scrape_ok", { part: name as Part }, isOk ? 1 : 0),
  );
  const samples = [
    ...(fleet?.samples ?? []),
    ...breakers.samples,
    ...(email ?? []),
    ...(tasks?.samples ?? []),
    ...(cache ?? []),
    ...oks,
  ];
  const headers = { "Content-Type": EXPOSITION_TYPE, "Cache-Control": "no-store" };
  const names = { ...knownNames, task: tasks?.names ?? [] };
  const text = exposition(fleet?.totals ?? null, samples, names, knownSeries);
  return ok(new Response(text, { headers }));
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
  const { totals, isolates, reportedAt, breakers, sizeBytes } = await getStub(
    env.TELEMETRY,
    TELEMETRY_NAME,
    env,
  ).inspect();
  return {
    totals,
    samples: [
      sample("luna_telemetry_isolates", {}, isolates),
      // Zero for a Worker that never reported: without a series no alert would fire.
      ...workerNames.map((worker) =>
        sample(
          "luna_telemetry_last_report_timestamp_seconds",
          { worker },
          (reportedAt[worker] ?? 0) / 1_000,
        ),
      ),
      ...(breakers === undefined ? [] : registrySamples(breakers)),
      ...sizeSample({ object: "telemetry" }, sizeBytes),
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
    return [...breakerSamples(dependency, inspection), ...liveSamples(dependency, inspection)];
  });
  const sizes = breakers.map(({ inspection }) => inspection?.sizeBytes);
  return {
    ok: breakers.every(({ inspection }) => inspection !== null),
    samples: [...samples, ...sizeSample({ object: "circuit_breaker" }, ...sizes)],
  };
}

function breakerSamples(
  dependency: string,
  { state: current, last }: { state: (typeof states)[number]; last: { id: number } | null },
): Sample[] {
  return [
    ...states.map((state) =>
      sample(
        "luna_circuit_breaker_state",
        { dependency, state: stateLabel[state] },
        current === state ? 1 : 0,
      ),
    ),
    // Transitions are numbered from the first on.
    sample("luna_circuit_breaker_transitions_total", { dependency }, last?.id ?? 0),
  ];
}

/** What only the object of a breaker has. An announcement does not have it. */
function liveSamples(dependency: string, inspection: Inspection): Sample[] {
  const { state, override, ramp, retryAfterMs, failures, slow = 0, held = 0 } = inspection;
  const isOpen = state !== "CLOSED" && override.kind !== "disabled";
  return [
    sample("luna_circuit_breaker_admitted_share", { dependency }, isOpen ? (ramp?.share ?? 0) : 1),
    sample(
      "luna_circuit_breaker_next_probe_seconds",
      { dependency },
      isOpen ? retryAfterMs / 1_000 : 0,
    ),
    ...Object.entries({ failed: failures, slow, held }).map(([outcome, calls]) =>
      sample(
        "luna_circuit_breaker_window_calls",
        { dependency, outcome: outcome as "failed" | "slow" | "held" },
        calls,
      ),
    ),
  ];
}

/** The breakers of other Workers, as they announced themselves. */
function registrySamples({ registered, refused }: BreakerRegistry): Sample[] {
  return [
    ...registered.flatMap((breaker) => [
      ...breakerSamples(breaker.name, breaker),
      sample(
        "luna_circuit_breaker_announced_timestamp_seconds",
        { dependency: breaker.name },
        breaker.reportedAt / 1_000,
      ),
    ]),
    sample("luna_circuit_breakers_refused", { reason: "full" }, refused.full),
    sample("luna_circuit_breakers_refused", { reason: "name" }, refused.name),
  ];
}

/** An object of an earlier release does not report its size. */
function sizeSample(
  { object }: Labels<"luna_object_size_bytes">,
  ...sizes: (number | undefined)[]
): Sample[] {
  const known = sizes.filter((bytes) => bytes !== undefined);
  return known.length === 0
    ? []
    : [sample("luna_object_size_bytes", { object }, Math.max(...known))];
}

async function emailPart(env: ApiEnv, now: number): Promise<Sample[]> {
  const { scheduled, queued, pinned, due, oldestDueAt, inFlight, unknown, dead } =
    await emailBacklog(env.DB, now);
  const paces = await emailPaces(env.DB, env, now);
  const { bytes, limitBytes } = await readSize(env.DB, databaseLimit(env).bytes, now);
  const backlog = { scheduled, queued, pinned, due, in_flight: inFlight, unknown };
  return [
    ...(Object.entries(backlog) as [keyof typeof backlog, number][]).map(([state, number]) =>
      sample("luna_email_backlog", { state }, Math.min(number, COUNTED_UP_TO)),
    ),
    sample(
      "luna_email_oldest_due_age_seconds",
      {},
      oldestDueAt === null ? 0 : Math.max(now - oldestDueAt, 0) / 1_000,
    ),
    ...paces.flatMap(({ name: transport, used, everyMs, closed }) => {
      const limit = closed !== null ? 0 : everyMs === null ? null : 1_000 / everyMs;
      // Without a limit there is no series.
      return !used || limit === null
        ? []
        : [sample("luna_email_rate_per_second", { transport }, limit)];
    }),
    sample("luna_dead_letters", {}, Math.min(dead, COUNTED_UP_TO)),
    sample("luna_database_size_bytes", {}, bytes),
    sample("luna_database_limit_bytes", {}, limitBytes),
  ];
}

async function tasksPart(env: ApiEnv): Promise<{ names: readonly string[]; samples: Sample[] }> {
  const watchdog = getStub(env.TASK_WATCHDOG, WATCHDOG_NAME, env);
  const { watched, overdue, tasks, sizeBytes } = await watchdog.inspect();
  return {
    names: tasks ?? [],
    samples: [
      sample("luna_tasks_watched", {}, watched),
      sample("luna_tasks_overdue", {}, overdue.length),
      ...sizeSample({ object: "task_watchdog" }, sizeBytes),
    ],
  };
}

/** The index is asked for one key, so a scrape costs it the same however many it has. */
async function cachePart(env: ApiEnv): Promise<Sample[]> {
  const index = getStub(env.CACHE_TAG_INDEX, INDEX_NAME, env);
  const inspected: Result<TagInspection, Invalid> = await index.inspect({ tag: "*", limit: 1 });
  if (!inspected.ok) throw new Error("the tag index refused the request");
  return sizeSample({ object: "cache_tag_index" }, inspected.value.sizeBytes);
}
