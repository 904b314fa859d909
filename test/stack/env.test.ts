import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { limits } from "../../workers/api/rate-limits.ts";
import { validatedVariables } from "../support/variables.ts";

/** What a binding's section of a TOML is as a type in workers/env.ts. */
type Toml = {
  main: string;
  compatibility_date: string;
  vars?: Record<string, string>;
  d1_databases?: { binding: string; database_name: string; migrations_dir: string }[];
  kv_namespaces?: { binding: string; id: string }[];
  queues?: {
    producers?: { binding: string; queue: string }[];
    consumers?: { queue: string; dead_letter_queue?: string; max_retries: number }[];
  };
  durable_objects?: { bindings: { name: string; class_name: string; script_name?: string }[] };
  migrations?: { new_sqlite_classes?: string[] }[];
  ratelimits?: { name: string; simple: { limit: number; period: number } }[];
  send_email?: { name: string }[];
  r2_buckets?: { binding: string }[];
  services?: { binding: string; service: string; entrypoint: string }[];
};

const workers = ["api", "consumer", "cron"];
const toml = (name: string): Toml =>
  parse(readFileSync(`wrangler.${name}.toml`, "utf8")) as unknown as Toml;
const source = readFileSync("workers/env.ts", "utf8");

function members(interfaceName: string): Map<string, string> {
  const body = new RegExp(`interface ${interfaceName}[^{]*\\{([^}]*)\\}`).exec(source)?.[1] ?? "";
  return new Map(
    [...body.matchAll(/^ {2}(\w+)\??: (.*);$/gm)].map(([, name, type]) => [name ?? "", type ?? ""]),
  );
}

const interfaceOf = (name: string): string => `${name[0]?.toUpperCase()}${name.slice(1)}Env`;

describe.each(workers)("wrangler.%s.toml and workers/env.ts", (name) => {
  const config = toml(name);

  it("name the same bindings with the same kinds", () => {
    const bindings = [
      ...(config.d1_databases ?? []).map(({ binding }) => [binding, "D1Database"]),
      ...(config.kv_namespaces ?? []).map(({ binding }) => [binding, "KVNamespace"]),
      ...(config.queues?.producers ?? []).map(({ binding }) => [
        binding,
        `Queue<${messages[binding.split("_")[0] ?? ""] ?? "QueueMessage"}>`,
      ]),
      ...(config.ratelimits ?? []).map(({ name: binding }) => [binding, "RateLimit"]),
      ...(config.r2_buckets ?? []).map(({ binding }) => [binding, "R2Bucket"]),
      ...(config.send_email ?? []).map(({ name: binding }) => [binding, "SendEmail"]),
      ...(config.durable_objects?.bindings ?? []).map((object) => [
        object.name,
        `DurableObjectNamespace<${object.class_name}>`,
      ]),
      ...(config.services ?? []).map(({ binding, entrypoint }) => [
        binding,
        `Fetcher & ${entrypoint}Rpc`,
      ]),
    ];
    const known = members(interfaceOf(name));
    // An operator binds it where it is wanted: an account has to switch it on first.
    known.delete("ANALYTICS");
    known.delete("EXPORTS");
    expect(new Map(bindings as [string, string][])).toEqual(known);
  });

  it("name only variables that exist", () => {
    const known = new Set(validatedVariables);
    expect(Object.keys(config.vars ?? {}).filter((variable) => !known.has(variable))).toEqual([]);
  });
});

it("the rate limits in the answers are those of wrangler.api.toml", () => {
  const documented = [limits.key, limits.ip].map(({ limit, periodSeconds: period }) => ({
    limit,
    period,
  }));
  expect(toml("api").ratelimits?.map(({ simple }) => simple)).toEqual(documented);
});

/** What a queue carries, by the first word of its binding. */
const messages: Record<string, string> = { WEBHOOK: "WebhookMessage", JOB: "JobMessage" };

describe("the three TOMLs", () => {
  it("agree on date, database and sender", () => {
    const common = workers.map((name) => {
      const { compatibility_date: date, d1_databases: databases, vars } = toml(name);
      return { date, databases, from: vars?.["EMAIL_FROM"] };
    });
    expect(common[1]).toEqual(common[0]);
    expect(common[2]).toEqual(common[0]);
  });

  it("consume every queue that anything produces to, and dead-letter the emails natively", () => {
    const produced = new Set(
      workers.flatMap((name) => (toml(name).queues?.producers ?? []).map(({ queue }) => queue)),
    );
    // Cloudflare produces to it, by event subscriptions.
    produced.add("luna-email-feedback");
    const consumers = toml("consumer").queues?.consumers ?? [];
    expect(new Set(consumers.map(({ queue }) => queue))).toEqual(produced);
    expect(consumers.find(({ queue }) => queue === "luna-email")?.dead_letter_queue).toBe(
      "luna-email-dlq",
    );
    expect(consumers.find(({ queue }) => queue === "luna-email-dlq")?.max_retries).toBe(100);
  });

  it("bind Durable Objects that luna-api exports and migrates", () => {
    const main = readFileSync(toml("api").main, "utf8");
    const migrated = (toml("api").migrations ?? []).flatMap(
      (migration) => migration.new_sqlite_classes ?? [],
    );
    for (const name of workers) {
      for (const { class_name: className, script_name: script } of toml(name).durable_objects
        ?.bindings ?? []) {
        expect(script).toBe(name === "api" ? undefined : "luna-api");
        expect(main).toMatch(new RegExp(`^export \\{ (\\w+ as )?${className} \\} from`, "m"));
        expect(migrated).toContain(className);
      }
    }
  });

  it("bind services and entrypoints that exist", () => {
    for (const { service, entrypoint } of workers.flatMap((name) => toml(name).services ?? [])) {
      const main = readFileSync(toml(service.replace("luna-", "")).main, "utf8");
      expect(main).toContain(`export class ${entrypoint} extends WorkerEntrypoint`);
    }
  });
});

it("every variable that the settings validate is explained in .dev.vars.example", () => {
  const explained = readFileSync(".dev.vars.example", "utf8");
  for (const variable of validatedVariables) expect(explained).toContain(`${variable}=`);
});
