import { readFileSync } from "node:fs";
import type { Wrangler } from "../../scripts/deploy/wrangler.ts";

type Worker = {
  versions: string[];
  traffic: { version_id: string; percentage: number }[];
  tag: string | null;
  secrets: string[];
};
export type FakeAccount = {
  databases: string[];
  namespaces: string[];
  queues: string[];
  /** Whose events each queue gets. */
  subscriptions?: { queue: string; domain: string }[];
  buckets: string[];
  /** The account has not switched R2 on. */
  withoutR2?: true;
  workers: Record<string, Worker>;
  /** That a migration would copy. */
  emails?: number;
};

/** The part of a configuration that decides what Cloudflare refuses. */
type Config = {
  name?: string;
  migrations?: { tag: string }[];
  services?: { service: string }[];
  r2_buckets?: { bucket_name: string }[];
  durable_objects?: { bindings: { script_name?: string }[] };
  d1_databases?: { database_id: string }[];
};

/** What a call answered: `version` is what the real one writes to its output file. */
type Answer = {
  ok: boolean;
  stdout: string;
  stderr: string;
  version: { type: string; id: string } | null;
};

class Refused extends Error {}

/**
 * wrangler with an account of its own: answers in the formats of the real one, and refuses what
 * Cloudflare refuses.
 */
export class FakeWrangler implements Wrangler {
  readonly calls: string[][] = [];
  readonly account: FakeAccount;
  readonly #failing: string | undefined;
  #version: Answer["version"] = null;

  /** @param failing calls that contain this fail */
  constructor(account: FakeAccount, failing?: string) {
    this.account = structuredClone(account);
    this.#failing = failing;
  }

  read = (args: string[]) => {
    const { ok, stdout, stderr } = this.answer(args);
    return { ok, stdout, output: stdout + stderr };
  };

  run = (args: string[]) => {
    const { ok, version } = this.answer(args);
    if (!ok) throw new Error(`wrangler ${args.join(" ")} failed`);
    return version?.id ?? null;
  };

  answer(args: string[]): Answer {
    this.calls.push(args);
    this.#version = null;
    try {
      if (this.#failing !== undefined && args.join(" ").includes(this.#failing))
        throw new Refused("scripted to fail");
      const value = this.#act(args);
      return {
        ok: true,
        stdout: value === undefined ? "" : `${JSON.stringify(value, null, 2)}\n`,
        stderr: "",
        version: this.#version,
      };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { ok: false, stdout: "", stderr: `\n✘ [ERROR] ${error.message}\n`, version: null };
    }
  }

  #act(args: string[]): unknown {
    const { account } = this;
    const option = (name: string): string | undefined =>
      args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
    const starts = (...words: string[]): boolean => words.every((word, n) => args[n] === word);
    const file = option("-c");
    const config = file === undefined ? {} : (JSON.parse(readFileSync(file, "utf8")) as Config);

    if (starts("d1", "list"))
      return account.databases.map((name) => ({ uuid: idOf(name), name, version: "production" }));
    if (starts("kv", "namespace", "list"))
      return account.namespaces.map((title) => ({ id: idOf(title), title }));
    if (starts("d1", "execute")) return [{ results: [{ emails: account.emails ?? 0 }] }];
    if (starts("d1", "create")) return void account.databases.push(args[2] ?? "");
    if (starts("kv", "namespace", "create")) return void account.namespaces.push(args[3] ?? "");
    if (starts("queues", "subscription")) return this.#subscription(args, option);
    if (starts("queues", "create")) return void account.queues.push(args[2] ?? "");
    if (starts("queues", "info")) {
      if (account.queues.includes(args[2] ?? "")) return undefined;
      throw new Refused(
        `Queue "${args[2]}" does not exist. To create it, run: wrangler queues create ${args[2]}`,
      );
    }
    if (starts("r2", "bucket")) return this.#bucket(args[2], args[3] ?? "");
    if (starts("deployments", "status"))
      return { id: "deployment", versions: this.#worker(option("--name")).traffic };
    if (starts("secret", "list"))
      return this.#worker(option("--name")).secrets.map((name) => ({ name, type: "secret_text" }));
    if (starts("versions", "view")) {
      const { tag } = this.#worker(option("--name"));
      return {
        id: args[2],
        resources: { bindings: [], script_runtime: tag === null ? {} : { migration_tag: tag } },
      };
    }
    if (starts("d1", "time-travel", "info")) {
      this.#checkDatabases(config);
      return { bookmark: "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683" };
    }
    if (starts("d1", "migrations", "apply")) return this.#checkDatabases(config);
    if (starts("triggers", "deploy")) return this.#checkBindings(config);
    if (starts("versions", "upload")) return this.#upload(config, option("--secrets-file"));
    if (starts("versions", "deploy")) return this.#shift(config, args);
    if (starts("deploy")) return this.#deploy(config, option("--secrets-file"));
    throw new Refused(`Unknown arguments: ${args.join(" ")}`);
  }

  #subscription(args: string[], option: (name: string) => string | undefined): unknown {
    const { account } = this;
    const [, , verb, queue = ""] = args;
    if (!account.queues.includes(queue)) throw new Refused(`Queue "${queue}" does not exist.`);
    if (verb === "list")
      return (account.subscriptions ?? [])
        .filter((one) => one.queue === queue)
        .map(({ domain }) => ({
          id: idOf(domain),
          enabled: true,
          source: { type: "email.sending", zone_id: "z", domain },
          events: ["message.bounced"],
        }));
    const [domain, zone] = [option("--domain"), option("--zone-id")];
    if (option("--source") !== "email.sending" || domain === undefined || zone === undefined)
      throw new Refused("--domain and --zone-id are required with --source email.sending");
    (account.subscriptions ??= []).push({ queue, domain });
    return undefined;
  }

  #bucket(verb: string | undefined, name: string): unknown {
    const { buckets, withoutR2 } = this.account;
    if (withoutR2 === true)
      throw new Refused("Please enable R2 through the Cloudflare Dashboard. [code: 10042]");
    if (verb === "create") return void buckets.push(name);
    if (buckets.includes(name)) return { name };
    throw new Refused("The specified bucket does not exist. [code: 10006]");
  }

  #worker(name: string | undefined): Worker {
    const worker = this.account.workers[name ?? ""];
    if (worker === undefined)
      throw new Refused("This Worker does not exist on your account. [code: 10007]");
    return worker;
  }

  #checkBindings(config: Config): void {
    for (const { service } of config.services ?? []) this.#worker(service);
    for (const { script_name: script } of config.durable_objects?.bindings ?? [])
      if (script !== undefined) this.#worker(script);
    for (const { bucket_name: bucket } of config.r2_buckets ?? []) this.#bucket("info", bucket);
    this.#checkDatabases(config);
  }

  #checkDatabases(config: Config): void {
    const ids = new Set(this.account.databases.map(idOf));
    const there = (config.d1_databases ?? []).every(({ database_id: id }) => ids.has(id));
    if (!there) throw new Refused("D1 binding must have a valid database [code: 10181]");
  }

  #upload(config: Config, secretsFile: string | undefined): void {
    const tag = config.migrations?.at(-1)?.tag ?? null;
    if (this.#worker(config.name).tag !== tag)
      throw new Refused("This Worker has a pending Durable Object migration");
    this.#addVersion(config, "version-upload", secretsFile);
  }

  #deploy(config: Config, secretsFile: string | undefined): void {
    const version = this.#addVersion(config, "deploy", secretsFile);
    const worker = this.#worker(config.name);
    worker.traffic = [{ version_id: version, percentage: 100 }];
    worker.tag = config.migrations?.at(-1)?.tag ?? null;
  }

  #shift(config: Config, args: string[]): void {
    const worker = this.#worker(config.name);
    const traffic = args
      .filter((arg) => arg.includes("@"))
      .map((spec) => ({
        version_id: spec.split("@")[0] ?? "",
        percentage: Number(spec.split("@")[1]),
      }));
    const sum = traffic.reduce((all, { percentage }) => all + percentage, 0);
    if (sum !== 100) throw new Refused(`Sum of specified percentages (${sum}%) must be 100%`);
    if (!traffic.every(({ version_id: id }) => worker.versions.includes(id)))
      throw new Refused("version not found");
    worker.traffic = traffic;
  }

  #addVersion(config: Config, type: string, secretsFile: string | undefined): string {
    this.#checkBindings(config);
    const name = config.name ?? "";
    const worker = (this.account.workers[name] ??= {
      versions: [],
      traffic: [],
      tag: null,
      secrets: [],
    });
    const id = `${name}-version-${worker.versions.length + 1}`;
    worker.versions.push(id);
    if (secretsFile !== undefined) {
      const given = Object.keys(JSON.parse(readFileSync(secretsFile, "utf8")) as object);
      worker.secrets = [...new Set([...worker.secrets, ...given])];
    }
    this.#version = { type, id };
    return id;
  }
}

const idOf = (name: string): string => `id-of-${name}`;
