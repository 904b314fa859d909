import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { deploymentConfig } from "./configs.ts";
import { parseEnvironment, workers, type EnvironmentName, type Worker } from "./environments.ts";
import { variableNames } from "./needed-variables.ts";

const toml = (worker: Worker) => parse(readFileSync(`wrangler.${worker}.toml`, "utf8"));
const vars = {
  PUBLIC_URL: "https://luna.example",
  ALERT_EMAIL: "oncall@luna.example",
  SMTP_HOST: "smtp.example",
};
const environment = (name: EnvironmentName, file: object = {}) =>
  parseEnvironment(name, { vars, ...file }, variableNames);
const configOf = (worker: Worker, name: EnvironmentName, file: object = {}) =>
  deploymentConfig(toml(worker), worker, environment(name, file), {
    ids: {
      databaseId: `database-${name}`,
      namespaceId: `namespace-${name}`,
      hasBucket: true,
    },
  });

/** The values of the keys by which one thing in an account names another. */
function named(value: unknown, keys: string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => named(one, keys));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(keys.includes(key) && typeof inner === "string" ? [inner] : []),
    ...named(inner, keys),
  ]);
}

describe("the configuration of one environment", () => {
  it.each(workers)("names of luna-%s nothing that the other environment has", (worker) => {
    const keys = [
      "queue",
      "dead_letter_queue",
      "service",
      "script_name",
      "database_name",
      "database_id",
      "id",
      "bucket_name",
      "namespace_id",
    ];
    const [production, staging] = (["production", "staging"] as const).map((name) => {
      const config = configOf(worker, name);
      return new Set([String(config["name"]), ...named(config, keys)]);
    });
    expect([...(production ?? [])].filter((name) => staging?.has(name))).toEqual([]);
    expect(staging?.size).toBe(production?.size);
  });

  it.each(workers)(
    "is wrangler.%s.toml with other names, ids, paths, variables and routes",
    (worker) => {
      const {
        main,
        build: _build,
        d1_databases: databases,
        kv_namespaces: namespaces,
        vars: _,
        queues,
        durable_objects: objects,
        assets,
        ...same
      } = toml(worker);
      const config = configOf(worker, "production");
      expect(config).toMatchObject(same);
      expect(config["queues"]).toMatchObject(queues as object);
      expect(config["durable_objects"]).toEqual(objects);
      expect(config["main"]).toBe(resolve(main as string));
      expect(named(config["assets"], ["directory"])).toEqual(
        named(assets, ["directory"]).map((directory) => resolve(directory)),
      );
      expect(named(config["d1_databases"], ["database_name"])).toEqual(
        named(databases, ["database_name"]),
      );
      expect(named(config["kv_namespaces"], ["binding"])).toEqual(named(namespaces, ["binding"]));
    },
  );

  it("gives each Worker the variables that it reads", () => {
    expect(
      workers.map((worker) =>
        Object.keys(configOf(worker, "production")["vars"] as object).toSorted(),
      ),
    ).toEqual([
      ["ALERT_EMAIL", "PUBLIC_URL"],
      ["PUBLIC_URL", "SMTP_HOST"],
      ["ALERT_EMAIL", "PUBLIC_URL"],
    ]);
  });

  it("binds what jobs may call to luna-consumer, and lists it for luna-api", () => {
    const service = { service: "reports", entrypoint: "Jobs", methods: ["close"] };
    const jobs = { queues: ["billing"], services: [service] };
    const consumer = configOf("consumer", "staging", { jobs });
    expect(consumer).toMatchObject({
      queues: {
        producers: expect.arrayContaining([{ binding: "JOB_QUEUE_BILLING", queue: "billing" }]),
      },
      services: [{ binding: "JOB_SERVICE_REPORTS", service: "reports", entrypoint: "Jobs" }],
      vars: { JOB_TARGETS: JSON.stringify(jobs) },
    });
    const api = configOf("api", "staging", { jobs });
    expect(api["vars"]).toMatchObject({ JOB_TARGETS: JSON.stringify(jobs) });
    expect(JSON.stringify(api["queues"])).not.toContain("billing");
    expect(configOf("cron", "staging", { jobs })["services"]).toBeUndefined();
  });

  it("has the sender of the environment, never the one of local runs", () => {
    expect(workers.map((worker) => toml(worker)["vars"])).toEqual(
      workers.map(() => expect.objectContaining({ EMAIL_FROM: expect.any(String) })),
    );
    const sender = { EMAIL_FROM: "hello@example.com" };
    for (const worker of workers) {
      expect(configOf(worker, "production")["vars"]).not.toHaveProperty("EMAIL_FROM");
      expect(configOf(worker, "production", { vars: sender })["vars"]).toEqual(sender);
    }
  });

  it("lets the world reach luna-api by one name, and nothing else", () => {
    const reachable = (file: object) =>
      workers
        .map((worker) => configOf(worker, "production", file))
        .map((c) => [c["workers_dev"], c["preview_urls"], c["routes"]]);
    const hidden = [false, false, undefined];
    expect(reachable({})).toEqual([[true, false, undefined], hidden, hidden]);
    expect(reachable({ domain: "api.luna.example" })).toEqual([
      [false, false, [{ pattern: "api.luna.example", custom_domain: true }]],
      hidden,
      hidden,
    ]);
  });

  it("binds no service for the first deployment", () => {
    const ids = { databaseId: "d", namespaceId: "n", hasBucket: false };
    expect(configOf("api", "production")).toHaveProperty("services");
    expect(
      deploymentConfig(toml("api"), "api", environment("production"), { ids, first: true }),
    ).not.toHaveProperty("services");
  });

  it("finds static assets from wherever it stands", () => {
    const assets = { directory: "dist/console", binding: "ASSETS" };
    const config = deploymentConfig({ ...toml("api"), assets }, "api", environment("staging"), {
      ids: { databaseId: "d", namespaceId: "n", hasBucket: true },
    });
    expect(config["assets"]).toEqual({
      binding: "ASSETS",
      directory: `${process.cwd()}/dist/console`,
    });
  });
});

describe("environments/<name>.toml", () => {
  it.each([
    [{ vars: { EMAIL_FORM: "x" } }, "environments/staging.toml: there is no variable EMAIL_FORM"],
    [{ steps: [50, 10, 100] }, "steps must rise to 100"],
    [{ steps: [10, 50] }, "steps must rise to 100"],
    [{ location: "mars" }, "location must be one of weur"],
    [{ domain: "https://api.example.com" }, "domain must be a host name"],
    [{ jobs: { queues: ["a b"] } }, "jobs.queues.0 must be lower-case letters"],
    [{ dommain: "api.example.com" }, "environments/staging.toml: dommain"],
  ])("is refused by name when it is %j", (file, message) => {
    expect(() => parseEnvironment("staging", file, variableNames)).toThrow(message);
  });
});
