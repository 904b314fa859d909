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
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}=${quoted(name, value ?? "")}`,
  );
  writeFileSync(join(directory, ".dev.vars"), `${lines.join("\n")}\n`, { mode: 0o600 });
  return CONFIGS.map((config) => {
    const file = join(directory, config.replace(/toml$/, "json"));
    writeFileSync(
      file,
      JSON.stringify(unlimited(withAbsolutePaths(parse(readFileSync(config, "utf8"))))),
    );
    return file;
  });
}

/**
 * dotenv knows three quotes and no escapes but \n and \r in double quotes, so a value goes between
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

function withAbsolutePaths(config: Config): Config {
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
