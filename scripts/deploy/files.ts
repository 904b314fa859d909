import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { parse } from "smol-toml";
import type { Variables } from "../../workers/env.ts";
import type { ConfigFile } from "./commands.ts";
import { deploymentConfig, varsOf, type ResourceIds } from "./configs.ts";
import {
  parseEnvironment,
  workers,
  type Environment,
  type EnvironmentName,
  type Worker,
} from "./environments.ts";
import { variableNames, variablesOf } from "./needed-variables.ts";

type Toml = Record<string, unknown> & { vars?: Variables; migrations?: { tag: string }[] };

export function readToml(worker: Worker): Toml {
  return parse(readFileSync(`wrangler.${worker}.toml`, "utf8"));
}

/** @throws Error naming what is wrong with `environments/<name>.toml` */
export function readEnvironment(name: EnvironmentName, directory = "environments"): Environment {
  return parseEnvironment(
    name,
    parse(readFileSync(join(directory, `${name}.toml`), "utf8")),
    variableNames,
  );
}

/** What the three Workers have in [vars] together. */
export function effectiveVars(environment: Environment): Variables {
  return Object.assign(
    {},
    ...workers.map((worker) => varsOf(readToml(worker), environment)),
  ) as Variables;
}

/** @throws Error naming a variable that does not exist: it would be set and never read */
export function readSecrets(file: string | undefined): Record<string, string> {
  if (file === undefined) return {};
  const given = Object.entries(parseEnv(readFileSync(file, "utf8"))).filter(
    ([, value]) => value !== undefined && value !== "",
  );
  const unknown = given.find(([name]) => !variableNames.has(name));
  if (unknown !== undefined) throw new Error(`${file}: there is no variable ${unknown[0]}`);
  return Object.fromEntries(given) as Record<string, string>;
}

/** The tag of the last migration of the objects that luna-api hosts. */
export function objectsOf(api: Toml): string {
  return api.migrations?.at(-1)?.tag ?? "";
}

/** The generated configurations of an environment: never committed, rewritten each time. */
export function configFiles(directory: string): ConfigFile {
  return (worker, without = "nothing") =>
    join(directory, `wrangler.${worker}${without === "services" ? ".first" : ""}.json`);
}

export function writeConfigs(directory: string, environment: Environment, ids: ResourceIds): void {
  mkdirSync(directory, { recursive: true });
  const file = configFiles(directory);
  for (const worker of workers) {
    const toml = readToml(worker);
    writeFileSync(
      file(worker),
      JSON.stringify(deploymentConfig(toml, worker, environment, { ids }), null, 2),
    );
    writeFileSync(
      file(worker, "services"),
      JSON.stringify(deploymentConfig(toml, worker, environment, { ids, first: true }), null, 2),
    );
  }
}

/**
 * wrangler takes secrets from a file: this one is there only while it does, and only this user can
 * read it.
 */
export function withSecretsFile<T>(
  directory: string,
  worker: Worker,
  secrets: Record<string, string>,
  use: (args: string[]) => T,
): T {
  const own = variablesOf(worker).filter(({ name }) => secrets[name] !== undefined);
  if (own.length === 0) return use([]);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${worker}.secrets.json`);
  try {
    writeFileSync(
      file,
      JSON.stringify(Object.fromEntries(own.map(({ name }) => [name, secrets[name]]))),
      { mode: 0o600 },
    );
    return use(["--secrets-file", file]);
  } finally {
    rmSync(file, { force: true });
  }
}
