import type { Variables } from "../../workers/env.ts";
import type { Account } from "./account.ts";
import { namesOf, workers, type Environment, type Worker } from "./environments.ts";
import { neededBy } from "./needed-variables.ts";
import { MAX_EMAILS_AT_ONCE } from "./paged-copy.ts";

/**
 * One step of a deployment. `deploy` takes all traffic at once; `upload` takes none, and `shift`
 * gives it a share.
 */
export type Step =
  | { kind: "build" }
  | { kind: "create-database"; name: string; location: string | null }
  | { kind: "create-namespace"; name: string }
  | { kind: "create-queue"; name: string }
  | { kind: "subscribe"; queue: string; domain: string; zoneId: string }
  | { kind: "create-bucket"; name: string }
  | { kind: "configure" }
  | { kind: "note-bookmark" }
  | { kind: "migrate" }
  | { kind: "deploy"; worker: Worker; without: "nothing" | "services" }
  | { kind: "upload"; worker: Worker }
  | { kind: "shift"; worker: Worker; percentage: number }
  | { kind: "triggers"; worker: Worker }
  | { kind: "smoke"; pinned: Worker | null; also: SmokeAct[] }
  | { kind: "pause"; seconds: number };

/**
 * What a smoke test does besides reading: `task` runs a task of luna-cron, `email` has
 * luna-consumer send an email.
 */
export type SmokeAct = "task" | "email";

/** In the place of a recipient: the smoke test sends no email. */
export const NO_EMAIL = "none";

/** Why a deployment does not start. */
export type PlanRefusal =
  | { tag: "missing"; variables: { worker: Worker; name: string; secret: boolean }[] }
  | { tag: "twice"; names: string[] }
  | { tag: "smoke-test"; lacks: ("token" | "recipient")[] }
  | { tag: "too-many-emails" }
  | { tag: "under-way"; worker: Worker; traffic: { versionId: string; percentage: number }[] };

export type DeployPlan = { ok: true; steps: Step[] } | { ok: false; refusal: PlanRefusal };

export type WantedDeployment = {
  environment: Environment;
  /** The [vars] of the TOMLs with those of the environment. */
  vars: Variables;
  /** The names in the file of secrets, if one is given. */
  secrets: string[];
  /** The tag of the last [[migrations]] of luna-api. */
  objects: string;
  /** Whether the smoke test has the admin token. */
  hasToken: boolean;
  /** Who gets the email of the smoke test, or `NO_EMAIL`; null if it was not set. */
  recipient: string | null;
};

/** The steps from the account's current state to this release, or why it must not start. */
export function plan(account: Account, wanted: WantedDeployment): DeployPlan {
  const refusal = planRefusal(account, wanted);
  return refusal === null ? { ok: true, steps: stepsFor(account, wanted) } : { ok: false, refusal };
}

/** The steps alone, without the checks. */
export function stepsFor(account: Account, wanted: WantedDeployment): Step[] {
  const first = workers.some((worker) => account.workers[worker] === null);
  return [
    { kind: "build" },
    ...missingResources(account, wanted.environment),
    { kind: "configure" },
    { kind: "note-bookmark" },
    { kind: "migrate" },
    ...(first ? firstRelease(wanted) : release(account, wanted)),
  ];
}

export function planRefusal(account: Account, wanted: WantedDeployment): PlanRefusal | null {
  const { vars, secrets } = wanted;
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
  const lacks = [
    ...(wanted.hasToken ? [] : ["token" as const]),
    ...(wanted.recipient === null ? ["recipient" as const] : []),
  ];
  if (lacks.length > 0) return { tag: "smoke-test", lacks };
  if (account.emailsToCopy > MAX_EMAILS_AT_ONCE) return { tag: "too-many-emails" };
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
    ...Object.entries(environment.feedbackDomains)
      .filter(([domain]) => !account.subscribed.includes(domain))
      .map(([domain, zoneId]) => ({
        kind: "subscribe" as const,
        queue: names.feedbackQueue,
        domain,
        zoneId,
      })),
    ...(account.bucket === "absent"
      ? [{ kind: "create-bucket" as const, name: names.bucket }]
      : []),
  ];
}

/**
 * `luna-api` binds `luna-cron`, which binds the objects of `luna-api`: so `luna-api` is deployed
 * without that binding first, and once more at the end.
 */
function firstRelease(wanted: WantedDeployment): Step[] {
  return [
    { kind: "deploy", worker: "api", without: "services" },
    { kind: "deploy", worker: "consumer", without: "nothing" },
    { kind: "deploy", worker: "cron", without: "nothing" },
    { kind: "deploy", worker: "api", without: "nothing" },
    ...smokeTests(wanted, [{ pinned: null, also: ["task", "email"] }]),
  ];
}

function release(account: Account, wanted: WantedDeployment): Step[] {
  // Cloudflare migrates classes of objects only with all of the traffic, and does not roll back
  // past a migration.
  const migratesObjects = account.workers.api?.objects !== wanted.objects;
  return [
    ...(migratesObjects ? atOnce(wanted) : gradually(wanted)),
    ...shiftAll(wanted, "consumer", ["email"]),
    ...shiftAll(wanted, "cron", ["task"]),
  ];
}

function shiftAll(wanted: WantedDeployment, worker: Worker, also: SmokeAct[]): Step[] {
  return [
    { kind: "upload", worker },
    { kind: "shift", worker, percentage: 100 },
    { kind: "triggers", worker },
    ...smokeTests(wanted, [{ pinned: null, also }]),
  ];
}

function atOnce(wanted: WantedDeployment): Step[] {
  return [
    { kind: "deploy", worker: "api", without: "nothing" },
    ...smokeTests(wanted, [{ pinned: null, also: ["task"] }]),
  ];
}

function gradually(wanted: WantedDeployment): Step[] {
  return [
    { kind: "upload", worker: "api" },
    ...wanted.environment.steps.flatMap((percentage, n): Step[] => {
      // The first one also shows that the token is the admin's, while no user has the version.
      const ofVersion = { pinned: "api" as const, also: n === 0 ? ["task" as const] : [] };
      const ofAll = { pinned: null, also: [] };
      return [
        { kind: "shift", worker: "api", percentage },
        ...smokeTests(
          wanted,
          percentage === 0 ? [ofVersion] : percentage === 100 ? [ofAll] : [ofVersion, ofAll],
        ),
      ];
    }),
    { kind: "triggers", worker: "api" },
  ];
}

type SmokeTest = { pinned: Worker | null; also: SmokeAct[] };

/** Cloudflare's locations need some seconds to learn the new split of traffic. */
function smokeTests({ environment, recipient }: WantedDeployment, tests: SmokeTest[]): Step[] {
  const { pauseSeconds } = environment;
  return [
    ...(pauseSeconds > 0 ? [{ kind: "pause" as const, seconds: pauseSeconds }] : []),
    ...tests.map(({ pinned, also }) => ({
      kind: "smoke" as const,
      pinned,
      also: also.filter((act) => act !== "email" || recipient !== NO_EMAIL),
    })),
  ];
}
