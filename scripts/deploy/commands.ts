import { cloudflareEvents } from "../../shared/email/rules/cloudflare-feedback.ts";
import { EMAIL_SENDING } from "./account.ts";
import { namesOf, type EnvironmentName, type Worker } from "./environments.ts";
import type { Step } from "./plan.ts";

/** Where the generated configurations are. */
export type ConfigFile = (worker: Worker, without?: "nothing" | "services") => string;

type WranglerStep = Exclude<
  Step,
  { kind: "build" | "configure" | "smoke" | "pause" | "note-bookmark" }
>;

/**
 * A step as arguments of wrangler. `versions`: the uploaded one, and the one that had the traffic
 * before.
 */
export function argumentsOf(
  step: WranglerStep,
  config: ConfigFile,
  versions: { fresh: string; before: string },
): string[] {
  switch (step.kind) {
    case "create-database":
      return [
        "d1",
        "create",
        step.name,
        ...(step.location === null ? [] : ["--location", step.location]),
      ];
    case "create-namespace":
      return ["kv", "namespace", "create", step.name];
    case "create-queue":
      return ["queues", "create", step.name];
    case "subscribe":
      return [
        "queues",
        "subscription",
        "create",
        step.queue,
        "--source",
        EMAIL_SENDING,
        "--events",
        cloudflareEvents.map((event) => `message.${event}`).join(","),
        "--domain",
        step.domain,
        "--zone-id",
        step.zoneId,
      ];
    case "create-bucket":
      return ["r2", "bucket", "create", step.name];
    case "migrate":
      return ["d1", "migrations", "apply", "DB", "--remote", "-c", config("api")];
    case "deploy":
      return ["deploy", "-c", config(step.worker, step.without)];
    case "upload":
      return ["versions", "upload", "-c", config(step.worker)];
    case "shift":
      return shiftTo(versions, step.percentage, config(step.worker));
    case "triggers":
      return ["triggers", "deploy", "-c", config(step.worker)];
  }
}

function shiftTo(
  { fresh, before }: { fresh: string; before: string },
  percentage: number,
  config: string,
): string[] {
  const specs =
    percentage === 100
      ? [`${fresh}@100`]
      : [`${fresh}@${percentage}`, `${before}@${100 - percentage}`];
  return ["versions", "deploy", ...specs, "--yes", "-c", config];
}

/**
 * By default objects change their code within minutes, when they are idle. A broken release must
 * not run that long.
 */
export function backTo(before: string, config: string): string[] {
  return [
    "versions",
    "deploy",
    `${before}@100`,
    "--durable-objects-code-update-mode",
    "immediate",
    "--yes",
    "-c",
    config,
  ];
}

const smokeActs = {
  task: "which runs a task in luna-cron",
  email: "which has luna-consumer send an email",
};

/** The text of a step. */
export function describeStep(step: Step, environment: EnvironmentName): string {
  const name = (worker: Worker): string => namesOf(environment).worker(worker);
  switch (step.kind) {
    case "build":
      return "build the console and the three Workers, and check their sizes";
    case "create-database":
      return [
        `create the D1 database ${step.name}`,
        ...(step.location === null ? [] : [`in ${step.location}`]),
      ].join(" ");
    case "create-namespace":
      return `create the KV namespace ${step.name}`;
    case "create-queue":
      return `create the queue ${step.name}`;
    case "subscribe":
      return `subscribe the queue ${step.queue} to the events of emails from ${step.domain}`;
    case "create-bucket":
      return `create the R2 bucket ${step.name}`;
    case "configure":
      return "write the configurations with the ids of the resources";
    case "note-bookmark":
      return "print the database's current bookmark of Time Travel";
    case "migrate":
      return "apply the migrations of the database";
    case "deploy":
      return [
        `deploy ${name(step.worker)}`,
        ...(step.without === "services" ? ["without its service bindings"] : []),
      ]
        .join(" ")
        .concat(", all traffic at once");
    case "upload":
      return `upload a version of ${name(step.worker)}, without traffic`;
    case "shift":
      return `give the new version of ${name(step.worker)} ${step.percentage} % of the traffic`;
    case "triggers":
      return `apply routes, schedules and queue consumers of ${name(step.worker)}`;
    case "smoke":
      return [
        step.pinned === null
          ? "smoke test"
          : `smoke test of the new version of ${name(step.pinned)}`,
        ...step.also.map((act) => smokeActs[act]),
      ].join(", ");
    case "pause":
      return `wait ${step.seconds} s`;
  }
}
