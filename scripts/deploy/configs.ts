import { resolve } from "node:path";
import { queueBinding, serviceBinding } from "../../shared/schedule/jobs/settings.ts";
import type { Variables } from "../../workers/env.ts";
import { renamed, type Environment, type Worker } from "./environments.ts";
import { variablesOf } from "./needed-variables.ts";

type Table = Record<string, unknown>;

/** The ids that Cloudflare assigned, and whether the account has a bucket. */
export type ResourceIds = { databaseId: string; namespaceId: string; hasBucket: boolean };

/**
 * The configuration of one Worker for one environment: its TOML with the names, ids and variables
 * of the environment.
 *
 * @param first without service bindings: for the first deployment, when their Worker is missing
 */
export function deploymentConfig(
  toml: Table,
  worker: Worker,
  environment: Environment,
  { ids, first = false }: { ids: ResourceIds; first?: boolean },
): Table {
  const name = (value: unknown): string => renamed(String(value), environment.name);
  // The deployment builds the console before anything else.
  const { services, build: _, r2_buckets: buckets, ...base } = toml;
  const consumed = tables(queues(toml)["consumers"]);
  return {
    ...base,
    name: name(toml["name"]),
    main: resolve(String(toml["main"])),
    d1_databases: tables(toml["d1_databases"]).map((database) => ({
      ...database,
      database_name: name(database["database_name"]),
      database_id: ids.databaseId,
      migrations_dir: resolve(String(database["migrations_dir"])),
    })),
    kv_namespaces: tables(toml["kv_namespaces"]).map((namespace) => ({
      ...namespace,
      id: ids.namespaceId,
    })),
    ...(ids.hasBucket && {
      r2_buckets: tables(buckets).map((bucket) => ({
        ...bucket,
        bucket_name: name(bucket["bucket_name"]),
      })),
    }),
    queues: {
      producers: [
        ...tables(queues(toml)["producers"]).map((producer) => ({
          ...producer,
          queue: name(producer["queue"]),
        })),
        ...(worker === "consumer" ? jobQueues(environment) : []),
      ],
      consumers: consumed.map((consumer) => ({
        ...consumer,
        queue: name(consumer["queue"]),
        ...(consumer["dead_letter_queue"] === undefined
          ? {}
          : { dead_letter_queue: name(consumer["dead_letter_queue"]) }),
      })),
    },
    durable_objects: {
      bindings: tables((toml["durable_objects"] as Table | undefined)?.["bindings"]).map(
        (object) => ({
          ...object,
          ...(object["script_name"] === undefined
            ? {}
            : { script_name: name(object["script_name"]) }),
        }),
      ),
    },
    ...(first ? {} : withServices(tables(services), worker, environment)),
    ...(toml["ratelimits"] === undefined
      ? {}
      : { ratelimits: tables(toml["ratelimits"]).map((limit) => own(limit, environment)) }),
    ...(toml["assets"] === undefined ? {} : { assets: withDirectory(toml["assets"] as Table) }),
    vars: read(worker, varsOf(toml, environment)),
    ...reachable(worker, environment),
  };
}

/** Those of luna-consumer include what jobs may call, which has the name that its owner gave it. */
function withServices(bound: Table[], worker: Worker, environment: Environment): Table {
  const ofJobs = worker === "consumer" ? jobServices(environment) : [];
  const services = bound
    .map((service): Table => ({
      ...service,
      service: renamed(String(service["service"]), environment.name),
    }))
    .concat(ofJobs);
  return services.length === 0 ? {} : { services };
}

const jobQueues = ({ jobs }: Environment): Table[] =>
  jobs.queues.map((queue) => ({ binding: queueBinding(queue), queue }));

const jobServices = ({ jobs }: Environment): Table[] =>
  jobs.services.map(({ service, entrypoint }) => ({
    binding: serviceBinding(service),
    service,
    ...(entrypoint !== undefined && { entrypoint }),
  }));

/**
 * The [vars] of a TOML and of the environment, without the sender of the TOML: that is for
 * `npm start` and tests only.
 */
export function varsOf(toml: Table, environment: Environment): Variables {
  const { EMAIL_FROM: _local, ...vars } = (toml["vars"] ?? {}) as Variables;
  const { queues: ofJobs, services } = environment.jobs;
  const hasTargets = ofJobs.length > 0 || services.length > 0;
  return {
    ...vars,
    ...(hasTargets && { JOB_TARGETS: JSON.stringify(environment.jobs) }),
    ...environment.vars,
  };
}

const tables = (value: unknown): Table[] => (value ?? []) as Table[];
const queues = (toml: Table): Table => (toml["queues"] ?? {}) as Table;

/** Rate limit counters belong to the account: staging must not use production's. */
function own(limit: Table, environment: Environment): Table {
  return environment.name === "production"
    ? limit
    : { ...limit, namespace_id: `2${String(limit["namespace_id"]).slice(1)}` };
}

function withDirectory(assets: Table): Table {
  return typeof assets["directory"] === "string"
    ? { ...assets, directory: resolve(assets["directory"]) }
    : assets;
}

function read(worker: Worker, vars: Variables): Table {
  const names = new Set<string>(variablesOf(worker).map((variable) => variable.name));
  return Object.fromEntries(Object.entries(vars).filter(([name]) => names.has(name)));
}

/** Only `luna-api` has a public name, and old versions have none. */
function reachable(worker: Worker, { domain }: Environment): Table {
  const hidden = { workers_dev: false, preview_urls: false };
  if (worker !== "api") return hidden;
  return domain === undefined
    ? { ...hidden, workers_dev: true }
    : { ...hidden, routes: [{ pattern: domain, custom_domain: true }] };
}
