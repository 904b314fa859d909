import type { Variables } from "../../workers/env.ts";
import type { Account } from "./account.ts";
import { namesOf, workers, type Environment, type Worker } from "./environments.ts";
import { neededBy } from "./variables.ts";

/**
 * One step of a deployment. `deploy` takes all traffic at once; `upload` takes none, and `shift`
 * gives it a share.
 */
export type Step =
  | { kind: "build" }
  | { kind: "create-database"; name: string; location: string | null }
  | { kind: "create-namespace"; name: string }
  | { kind: "create-queue"; name: string }
  | { kind: "configure" }
  | { kind: "migrate" }
  | { kind: "deploy"; worker: Worker; without: "nothing" | "services" }
  | { kind: "upload"; worker: Worker }
  | { kind: "shift"; worker: Worker; percentage: number }
  | { kind: "triggers"; worker: Worker }
  | { kind: "smoke"; pinned: Worker | null }
  | { kind: "pause"; seconds: number };

/** Why a deployment does not start. */
export type Refusal =
  | { tag: "missing"; variables: { worker: Worker; name: string; secret: boolean }[] }
  | { tag: "twice"; names: string[] }
  | { tag: "under-way"; worker: Worker; traffic: { versionId: string; percentage: number }[] };

export type Plan = { ok: true; steps: Step[] } | { ok: false; refusal: Refusal };

export type Wanted = {
  environment: Environment;
  /** The [vars] of the TOMLs with those of the environment. */
  vars: Variables;
  /** The names in the file of secrets, if one is given. */
  secrets: string[];
  /** The tag of the last [[migrations]] of luna-api. */
  objects: string;
};

/** The steps from the account's current state to this release, or why it must not start. */
export function plan(account: Account, wanted: Wanted): Plan {
  const refusal = refusalOf(account, wanted);
  return refusal === null ? { ok: true, steps: stepsFor(account, wanted) } : { ok: false, refusal };
}

/** The steps alone, without the checks. */
export function stepsFor(account: Account, wanted: Wanted): Step[] {
  const first = workers.some((worker) => account.workers[worker] === null);
  return [
    { kind: "build" },
    ...missingResources(account, wanted.environment),
    { kind: "configure" },
    { kind: "migrate" },
    ...(first ? firstRelease(wanted.environment) : release(account, wanted)),
  ];
}

export function refusalOf(account: Account, { vars, secrets }: Wanted): Refusal | null {
  const twice = secrets.filter((name) => Object.hasOwn(vars, name));
  if (twice.length > 0) return { tag: "twice", names: twice };
  const missing = workers.flatMap((worker) => {
    // The smoke test needs the URL, and a value that is already a secret cannot be read.
    const there = (account.workers[worker]?.secrets ?? []).filter((name) => name !== "PUBLIC_URL");
    const known = new Set([...Object.keys(vars), ...secrets, ...there]);
    return neededBy(worker, vars)
      .filter(({ name }) => !known.has(name))
      .map(({ name, secret }) => ({ worker, name, secret }));
  });
  if (missing.length > 0) return { tag: "missing", variables: missing };
  for (const worker of workers) {
    const traffic = account.workers[worker]?.traffic ?? [];
    if (traffic.length > 0 && !traffic.some(({ percentage }) => percentage === 100))
      return { tag: "under-way", worker, traffic };
  }
  return null;
}

function missingResources(account: Account, environment: Environment): Step[] {
  const names = namesOf(environment.name);
  return [
    ...(account.databaseId === null
      ? [
          {
            kind: "create-database" as const,
            name: names.database,
            location: environment.location ?? null,
          },
        ]
      : []),
    ...(account.namespaceId === null
      ? [{ kind: "create-namespace" as const, name: names.namespace }]
      : []),
    ...names.queues
      .filter((queue) => !account.queues.includes(queue))
      .map((name) => ({ kind: "create-queue" as const, name })),
  ];
}

/**
 * `luna-api` binds `luna-cron`, which binds the objects of `luna-api`: so `luna-api` is deployed
 * without that binding first, and once more at the end.
 */
function firstRelease(environment: Environment): Step[] {
  return [
    { kind: "deploy", worker: "api", without: "services" },
    { kind: "deploy", worker: "consumer", without: "nothing" },
    { kind: "deploy", worker: "cron", without: "nothing" },
    { kind: "deploy", worker: "api", without: "nothing" },
    ...smokeTests(environment, [null]),
  ];
}

function release(account: Account, { environment, objects }: Wanted): Step[] {
  // Cloudflare migrates classes of objects only with all of the traffic, and does not roll back
  // past a migration.
  const migratesObjects = account.workers.api?.objects !== objects;
  return [
    ...(migratesObjects ? atOnce(environment) : gradually(environment)),
    ...(["consumer", "cron"] as const).flatMap((worker): Step[] => [
      { kind: "upload", worker },
      { kind: "shift", worker, percentage: 100 },
      { kind: "triggers", worker },
      ...smokeTests(environment, [null]),
    ]),
  ];
}

function atOnce(environment: Environment): Step[] {
  return [
    { kind: "deploy", worker: "api", without: "nothing" },
    ...smokeTests(environment, [null]),
  ];
}

function gradually(environment: Environment): Step[] {
  return [
    { kind: "upload", worker: "api" },
    ...environment.steps.flatMap((percentage): Step[] => [
      { kind: "shift", worker: "api", percentage },
      ...smokeTests(
        environment,
        percentage === 0 ? ["api"] : percentage === 100 ? [null] : ["api", null],
      ),
    ]),
    { kind: "triggers", worker: "api" },
  ];
}

/** Cloudflare's locations need some seconds to learn the new split of traffic. */
function smokeTests({ pauseSeconds }: Environment, pinned: (Worker | null)[]): Step[] {
  return [
    ...(pauseSeconds > 0 ? [{ kind: "pause" as const, seconds: pauseSeconds }] : []),
    ...pinned.map((one) => ({ kind: "smoke" as const, pinned: one })),
  ];
}
