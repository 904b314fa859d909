import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";

const CONFIGS = ["wrangler.api.toml", "wrangler.consumer.toml", "wrangler.cron.toml"];

/**
 * Writes the three Workers' configurations for one local run, with `variables` beside them as their
 * `.dev.vars`: of several Workers in one `wrangler dev`, only the first honours `--env-file` and
 * `--var`, and all of them read that file.
 *
 * @returns the paths of the configurations, `luna-api` first
 */
export function writeLocalConfigs(
  directory: string,
  variables: Record<string, string | undefined>,
): string[] {
  mkdirSync(directory, { recursive: true });
  writeVariables(join(directory, ".dev.vars"), variables);
  return CONFIGS.map((config) => {
    const file = join(directory, config.replace(/toml$/, "json"));
    writeFileSync(
      file,
      JSON.stringify(unlimited(withAbsolutePaths(parse(readFileSync(config, "utf8"))))),
    );
    return file;
  });
}

/** Writes variables as Wrangler reads them, for the user alone. */
export function writeVariables(file: string, variables: Record<string, string | undefined>): void {
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}=${quoted(name, value ?? "")}\n`,
  );
  writeFileSync(file, lines.join(""), { mode: 0o600 });
}

/**
 * A configuration with the database of luna-api and nothing else, so that it starts in a moment.
 *
 * @returns its path
 */
export function writeDatabaseConfig(directory: string): string {
  const config = parse(readFileSync("wrangler.api.toml", "utf8"));
  const { compatibility_date, d1_databases } = withAbsolutePaths(config);
  const file = join(directory, "database.json");
  writeFileSync(file, JSON.stringify({ name: "luna-database", compatibility_date, d1_databases }));
  return file;
}

/**
 * dotenv has three quotes and no escapes but \n and \r in double quotes, so a value goes between
 * two of the kind that it does not contain.
 */
function quoted(name: string, value: string): string {
  const quote = ["'", "`", ...(value.includes("\\") ? [] : ['"'])].find(
    (candidate) => !value.includes(candidate),
  );
  if (quote === undefined)
    throw new Error(`${name} must not contain all of ' " and \`, nor ' \` and a backslash`);
  return `${quote}${value}${quote}`;
}

/** The [vars] that the TOMLs set; `.dev.vars` overrides them. */
export function tomlVariables(): Record<string, string> {
  return Object.assign(
    {},
    ...CONFIGS.map((config) => parse(readFileSync(config, "utf8"))["vars"] ?? {}),
  ) as Record<string, string>;
}

type Config = Record<string, unknown>;

/** One machine asks for all users of a benchmark or a test, from one address and with one token. */
export function unlimited(config: Config): Config {
  const limits = config["ratelimits"] as Config[] | undefined;
  if (limits === undefined) return config;
  return {
    ...config,
    ratelimits: limits.map((limit) => ({ ...limit, simple: { limit: 1_000_000, period: 60 } })),
  };
}

/** Without `build`, which is for a plain `wrangler dev`: who starts Luna has built the console. */
function withAbsolutePaths(from: Config): Config {
  const { build: _, ...config } = from;
  const databases = (config["d1_databases"] ?? []) as Config[];
  const assets = config["assets"] as Config | undefined;
  return {
    ...config,
    main: resolve(String(config["main"])),
    ...(assets !== undefined && {
      assets: { ...assets, directory: resolve(String(assets["directory"])) },
    }),
    d1_databases: databases.map((database) => ({
      ...database,
      migrations_dir: resolve(String(database["migrations_dir"])),
    })),
  };
}
