import type { Account } from "./account.ts";
import { argumentsOf, backTo, describeStep, type ConfigFile } from "./commands.ts";
import { namesOf, workers, type EnvironmentName, type Worker } from "./environments.ts";
import type { SmokeAct, Step } from "./plan.ts";
import type { Wrangler } from "./wrangler.ts";

/** What the steps need from outside. Each throws an Error with what failed. */
export type Tools = {
  wrangler: Wrangler;
  build: () => void;
  /** Writes the configurations, once the resources are there. */
  configure: () => void;
  config: ConfigFile;
  /** Calls `use` with the arguments that pass the secrets of this Worker, if it has any. */
  withSecrets: <T>(worker: Worker, use: (args: string[]) => T) => T;
  /** @param override the value of the header that pins a request to one version */
  smoke: (override: string | null, also: readonly SmokeAct[]) => void;
  /** @returns the point of Time Travel at which the database is now */
  bookmark: () => string;
  /** Rejects when the operator interrupts, also with 0. */
  pause: (seconds: number) => Promise<void>;
  print: (line: string) => void;
};

/** `not-back`: the Workers that have a new release although the deployment failed. */
export type DeployOutcome =
  | { ok: true }
  | { ok: false; reason: string; back: Worker[]; notBack: Worker[] };

/**
 * Takes the steps in order. If one fails, each Worker that got traffic gives it back to the version
 * that had it before.
 */
export async function run(
  steps: Step[],
  account: Account,
  environment: EnvironmentName,
  tools: Tools,
): Promise<DeployOutcome> {
  const fresh = new Map<Worker, string>();
  const shifted = new Set<Worker>();
  const replaced = new Set<Worker>();
  try {
    for (const [n, step] of steps.entries()) {
      await tools.pause(0);
      tools.print(`[${n + 1}/${steps.length}] ${describeStep(step, environment)}`);
      if (step.kind === "shift") shifted.add(step.worker);
      if (step.kind === "deploy") replaced.add(step.worker);
      await take(step, { account, tools, fresh, environment });
    }
    return { ok: true };
  } catch (error) {
    const back = goBack([...shifted].toReversed(), account, tools, environment);
    const notBack = workers.filter(
      (worker) => replaced.has(worker) || (shifted.has(worker) && !back.includes(worker)),
    );
    return {
      ok: false,
      reason: error instanceof Error ? error.message : String(error),
      back,
      notBack,
    };
  }
}

/** `fresh`: the versions that this deployment has uploaded so far. */
type Progress = {
  account: Account;
  tools: Tools;
  fresh: Map<Worker, string>;
  environment: EnvironmentName;
};

async function take(step: Step, { account, tools, fresh, environment }: Progress): Promise<void> {
  const { wrangler, config } = tools;
  const none = { fresh: "", before: "" };
  switch (step.kind) {
    case "build":
      return tools.build();
    case "configure":
      return tools.configure();
    case "smoke":
      return tools.smoke(
        step.pinned === null ? null : overrideOf(step.pinned, fresh, environment),
        step.also,
      );
    case "note-bookmark": {
      const { database } = namesOf(environment);
      const bookmark = tools.bookmark();
      const restore = `npx wrangler d1 time-travel restore ${database} --bookmark=${bookmark}`;
      tools.print(`to undo the migrations: ${restore}`);
      return;
    }
    case "pause":
      return await tools.pause(step.seconds);
    case "upload": {
      const version = tools.withSecrets(step.worker, (secrets) =>
        wrangler.run([...argumentsOf(step, config, none), ...secrets]),
      );
      if (version === null) throw new Error("wrangler did not report the uploaded version");
      fresh.set(step.worker, version);
      return;
    }
    case "deploy":
      tools.withSecrets(step.worker, (secrets) =>
        wrangler.run([...argumentsOf(step, config, none), ...secrets]),
      );
      return;
    case "shift":
      wrangler.run(
        argumentsOf(step, config, {
          fresh: fresh.get(step.worker) ?? "",
          before: versionBefore(account, step.worker),
        }),
      );
      return;
    case "create-database":
    case "create-namespace":
    case "create-queue":
    case "subscribe":
    case "create-bucket":
    case "migrate":
    case "triggers":
      wrangler.run(argumentsOf(step, config, none));
  }
}

function versionBefore(account: Account, worker: Worker): string {
  const before = account.workers[worker]?.traffic.find(({ percentage }) => percentage === 100);
  if (before === undefined)
    throw new Error(`no version had all of the traffic of ${worker} before`);
  return before.versionId;
}

/**
 * https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/#version-overrides
 */
function overrideOf(
  worker: Worker,
  fresh: Map<Worker, string>,
  environment: EnvironmentName,
): string {
  return `${namesOf(environment).worker(worker)}="${fresh.get(worker) ?? ""}"`;
}

/** @returns the Workers that are back. If one fails, the others still go back. */
function goBack(
  shifted: Worker[],
  account: Account,
  tools: Tools,
  environment: EnvironmentName,
): Worker[] {
  return shifted.filter((worker) => {
    tools.print(`back to the previous version of ${namesOf(environment).worker(worker)}`);
    try {
      tools.wrangler.run(backTo(versionBefore(account, worker), tools.config(worker)));
      return true;
    } catch (error) {
      tools.print(error instanceof Error ? error.message : String(error));
      return false;
    }
  });
}
