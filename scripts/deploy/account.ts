import * as v from "valibot";
import { namesOf, type EnvironmentName, type Worker } from "./environments.ts";
import { MAX_EMAILS_AT_ONCE } from "./paged-copy.ts";
import { wranglerFailure, type Wrangler } from "./wrangler.ts";

/**
 * A Worker as it is deployed. `objects`: the tag of the last migration of its Durable Objects; null
 * if Cloudflare names none.
 */
type Deployed = {
  traffic: { versionId: string; percentage: number }[];
  objects: string | null;
  secrets: string[];
};

/** The resources of one environment in an account. */
export type Account = {
  databaseId: string | null;
  namespaceId: string | null;
  queues: string[];
  /** The senders' domains whose events a queue of the environment gets. */
  subscribed: string[];
  /** For uploaded files. `off`: the account has not switched R2 on. */
  bucket: "there" | "absent" | "off";
  workers: Record<Worker, Deployed | null>;
  /** How many emails the migration of their shape would copy: none once it is done. */
  emailsToCopy: number;
};

export const emptyAccount: Account = {
  databaseId: null,
  namespaceId: null,
  queues: [],
  subscribed: [],
  bucket: "absent",
  workers: { api: null, consumer: null, cron: null },
  emailsToCopy: 0,
};

const databases = v.array(v.object({ uuid: v.string(), name: v.string() }));
const namespaces = v.array(v.object({ id: v.string(), title: v.string() }));
const timeTravel = v.object({ bookmark: v.pipe(v.string(), v.minLength(1)) });
const emailsToCopy = v.array(v.object({ results: v.array(v.object({ emails: v.number() })) }));
const subscriptions = v.array(
  v.object({ source: v.object({ type: v.string(), domain: v.optional(v.string()) }) }),
);
const secretNames = v.array(v.object({ name: v.string() }));
const deployment = v.object({
  versions: v.array(v.object({ version_id: v.string(), percentage: v.number() })),
});
const version = v.object({
  resources: v.optional(
    v.object({ script_runtime: v.optional(v.object({ migration_tag: v.optional(v.string()) })) }),
  ),
});

/** The messages of wrangler for a missing Worker or queue. Any other failure is an error. */
const absent = /Queue "[^"]+" does not exist|has no deployments|code: 100(07|90)\b/;

/** @throws Error with wrangler's message if the account cannot be read; nothing was changed */
export function readAccount(wrangler: Wrangler, environment: EnvironmentName): Account {
  const names = namesOf(environment);
  const ids = readIds(wrangler, environment);
  const worker = (name: Worker): Deployed | null => readWorker(wrangler, names.worker(name));
  const queues = names.queues.filter((queue) => isThere(wrangler, ["queues", "info", queue]));
  const { feedbackQueue } = names;
  return {
    ...ids,
    queues,
    subscribed: queues.includes(feedbackQueue) ? readSubscribed(wrangler, feedbackQueue) : [],
    bucket: readBucket(wrangler, names.bucket),
    workers: { api: worker("api"), consumer: worker("consumer"), cron: worker("cron") },
    emailsToCopy: ids.databaseId === null ? 0 : readEmailsToCopy(wrangler, names.database),
  };
}

/** Cloudflare's name of the Email Service as a source of events. */
export const EMAIL_SENDING = "email.sending";

/** A zone has at most 30 domains for emails. */
const PER_PAGE = "100";

function readSubscribed(wrangler: Wrangler, queue: string): string[] {
  const args = ["queues", "subscription", "list", queue, "--per-page", PER_PAGE, "--json"];
  return json(wrangler, args, subscriptions).flatMap(({ source: { type, domain } }) =>
    type === EMAIL_SENDING && domain !== undefined ? [domain] : [],
  );
}

/** R2's codes for an account without R2, and for a bucket that does not exist. */
const withoutR2 = /code: 10042\b/;
const noBucket = /code: 10006\b/;

function readBucket(wrangler: Wrangler, name: string): Account["bucket"] {
  const args = ["r2", "bucket", "info", name, "--json"];
  const { ok, output } = wrangler.read(args);
  if (ok) return "there";
  if (withoutR2.test(output)) return "off";
  if (noBucket.test(output)) return "absent";
  throw wranglerFailure(args, output);
}

/** The count stops where the migration is refused. */
const countEmailsToCopy = `SELECT COUNT(*) AS emails FROM (SELECT 1 FROM emails
  WHERE NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'email_contents')
  LIMIT ${MAX_EMAILS_AT_ONCE + 1})`;

function readEmailsToCopy(wrangler: Wrangler, database: string): number {
  const args = ["d1", "execute", database, "--remote", "--json", "--command", countEmailsToCopy];
  const { ok, output } = wrangler.read(args);
  // A database without tables is migrated from the beginning.
  if (!ok && /no such table/.test(output)) return 0;
  return json(wrangler, args, emailsToCopy)[0]?.results[0]?.emails ?? 0;
}

/** @throws Error with wrangler's message */
export function readIds(
  wrangler: Wrangler,
  environment: EnvironmentName,
): Pick<Account, "databaseId" | "namespaceId"> {
  const names = namesOf(environment);
  const database = json(wrangler, ["d1", "list", "--json"], databases).find(
    ({ name }) => name === names.database,
  );
  const namespace = json(wrangler, ["kv", "namespace", "list"], namespaces).find(
    ({ title }) => title === names.namespace,
  );
  return { databaseId: database?.uuid ?? null, namespaceId: namespace?.id ?? null };
}

/**
 * @param config the generated configuration of luna-api
 * @returns the point of Time Travel at which the database is now
 * @throws Error with wrangler's message
 */
export function readBookmark(wrangler: Wrangler, config: string): string {
  return json(wrangler, ["d1", "time-travel", "info", "DB", "--json", "-c", config], timeTravel)
    .bookmark;
}

function readWorker(wrangler: Wrangler, name: string): Deployed | null {
  const status = ["deployments", "status", "--name", name, "--json"];
  if (!isThere(wrangler, status)) return null;
  const traffic = json(wrangler, status, deployment).versions.map(
    ({ version_id: versionId, percentage }) => ({ versionId, percentage }),
  );
  const newest = traffic.toSorted((a, b) => b.percentage - a.percentage)[0];
  const view =
    newest &&
    json(wrangler, ["versions", "view", newest.versionId, "--name", name, "--json"], version);
  return {
    traffic,
    objects: view?.resources?.script_runtime?.migration_tag ?? null,
    secrets: json(wrangler, ["secret", "list", "--name", name], secretNames).map(
      (secret) => secret.name,
    ),
  };
}

function isThere(wrangler: Wrangler, args: string[]): boolean {
  const { ok, output } = wrangler.read(args);
  if (!ok && !absent.test(output)) throw wranglerFailure(args, output);
  return ok;
}

function json<Schema extends v.GenericSchema>(
  wrangler: Wrangler,
  args: string[],
  schema: Schema,
): v.InferOutput<Schema> {
  const { ok, stdout, output } = wrangler.read(args);
  if (!ok) throw wranglerFailure(args, output);
  try {
    return v.parse(schema, JSON.parse(stdout));
  } catch {
    throw new Error(`wrangler ${args.join(" ")} returned an unexpected answer:\n${stdout.trim()}`);
  }
}
