import { deletedOnceOver, type ExpiringRows } from "../../../shared/database/expiring.ts";

/** What runs statements of one function: all of them, with every text that it can build. */
export type Work = (db: D1Database) => Promise<unknown>;

/** By function, as `<name>` or `<name>: <variant>`. */
export type Cases = Record<string, Work>;

/** The function of a case, without its variant. */
export const functionOf = (name: string): string => name.split(/:| by /)[0] ?? name;

/** A time at which nothing of the cases' own rows has expired. */
export const now = 1_700_000_000_000;
/** The size of a page in the cases. */
export const LIMIT = 5;

/** The names of the rows that cases read and change. */
export const own = {
  user: "ada",
  other: "bob",
  /** Who is deleted. */
  gone: "eve",
  team: "team-1",
  workspace: "workspace-1",
  email: "email-1",
  endpoint: "we_own",
  /** Also its name. */
  job: "job_own",
  key: "key_own",
  heartbeat: "hb_own",
  file: "file-1",
  address: "ada@example.com",
} as const;

/** SQL that inserts these rows. */
export const ownRows = [
  ...[own.user, own.other, own.gone].flatMap((user) => [
    `INSERT INTO users (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at)
     VALUES ('${user}', '${user}@example.com', 'pro', 'hash-${user}', 'prefix', ${now}, ${now})`,
    `INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at)
     VALUES ('${user}', 'trialing', ${now}, ${now + 1})`,
    `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
     VALUES ('${user}', 'calls', 1, ${now})`,
  ]),
  `INSERT INTO teams (team_id, name, created_at) VALUES ('${own.team}', 'Team', ${now})`,
  `INSERT INTO team_members (team_id, user_id, role, joined_at)
   VALUES ('${own.team}', '${own.user}', 'owner', ${now})`,
  `INSERT INTO workspaces (workspace_id, team_id, owner_id, name, created_at)
   VALUES ('${own.workspace}', '${own.team}', '${own.user}', 'Desk', ${now})`,
  `INSERT INTO webhook_endpoints (id, tenant, url, events, secret, created_at, updated_at)
   VALUES ('${own.endpoint}', 'user:${own.user}', 'https://example.com/', '["*"]', 's', ${now},
     ${now})`,
  `INSERT INTO jobs (id, name, schedule, time_zone, from_at, target, timeout_ms, overlap,
     max_retries, backoff, missed, grace_ms, secret, next_at, created_at, updated_at)
   VALUES ('${own.job}', '${own.job}', '{"cron":"* * * * *"}', 'UTC', 1, '{"url":"https://a.bc/"}',
     1000, 'queue', 1, '1s', 'skip', 60000, 's', ${now}, ${now}, ${now})`,
  `INSERT INTO deliveries (id, kind, target, type, trigger, slot, status, due_at, created_at,
     updated_at)
   VALUES ('${own.job}.1', 'job', '${own.job}', 'job', 'schedule', 1, 'pending', ${now}, ${now},
     ${now})`,
  ...[
    [own.key, `user:${own.user}`, "hash-of-key"],
    ["key_team", `team:${own.team}`, "hash-of-team"],
  ].map(
    ([id, owner, hash]) => `INSERT INTO api_keys
       (id, owner, name, prefix, hash, scopes, test, created_by, created_at, updated_at)
     VALUES ('${id}', '${owner}', 'Key', 'p', '${hash}', '[]', 0, 'x', ${now}, ${now})`,
  ),
  `INSERT INTO heartbeats
     (id, token, tenant, name, schedule, grace_ms, created_at, updated_at)
   VALUES ('${own.heartbeat}', 't', 'user:${own.user}', 'Backup', '{"every":"1d"}', 60000, ${now},
     ${now})`,
  `INSERT INTO attachments
     (id, tenant, status, filename, content_type, size_bytes, created_at, expires_at)
   VALUES ('${own.file}', 'user:${own.user}', 'stored', 'a', 'b/c', 1, ${now}, ${now})`,
  ...[own.email, "email-2", "email-3"].map(
    (
      id,
    ) => `INSERT INTO emails (id, tenant, format, generation_at, status, from_address, to_address,
       subject, due_at, ring_after, transport, provider_id, created_at, updated_at)
     VALUES ('${id}', 'user:${own.user}', 2, ${now}, 'sent', 'a@b.cc', '${own.address}', 'Hi',
       ${now}, ${now}, 'resend', 'provider-${id}', ${now}, ${now})`,
  ),
];

/** What deletes and counts rows whose time is over: none of the cases' own. */
export const expiring = (name: string, rows: ExpiringRows): Cases => ({
  [`${name}: deleted`]: (db) => deletedOnceOver(db, rows).drainSome(now - 1, LIMIT),
  [`${name}: counted`]: (db) => deletedOnceOver(db, rows).count(now - 1, LIMIT),
});
