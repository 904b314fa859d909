/**
 * Fills every table of D1 that grows with rows of others, as after months of use: a million emails
 * go with 200,000 users and thirty days of history.
 */

const DAY_MS = 86_400_000;
/** When the first of them was made. The last one was just before the end. */
const SPAN_MS = 30 * DAY_MS;

const statuses = ["unknown", "pinned", "dead", "scheduled", "queued", "suppressed"];
/** SQL over `n`: of those that are handed over now, which are never more than a few. */
const isSending = "(n % 35 = 6 AND n < 3500)";
/** SQL over `n`: a sixth of the emails is in one of these. */
const status = `CASE WHEN ${isSending} THEN 'sending' ELSE
  CASE n % 35 ${statuses.map((one, n) => `WHEN ${n} THEN '${one}'`).join(" ")}
    ELSE 'delivered' END END`;
const troubled = "iif(status IN ('unknown', 'pinned', 'dead'), status, NULL)";
/** SQL over `n`: ids in the order in which they are made, which takes a fraction of the time. */
const email = "'other-' || printf('%07d', n)";
const user = "'user-' || printf('%06d', n)";

/** How many rows: of emails, and of what there is fewer of. */
type Sizes = { emails: number; users: number; minutes: number; letters: number };

const sizesFor = (emails: number): Sizes => {
  const few = Math.min(emails, 10_000);
  return {
    emails,
    users: Math.max(emails / 5, few),
    minutes: Math.max(Math.min(emails, SPAN_MS / 60_000), few),
    letters: Math.max(Math.floor(emails / 35), few),
  };
};

/** Columns, and SQL of their values over `n`, and over `at` as the time of a row. */
type Table = { table: string; rows: number; columns: string; values: string };

/** A quarter of the emails is to the recipient that cases are about. */
const ofEmails = ({ emails, users, letters }: Sizes, end: number): Table[] => [
  {
    table: "emails",
    rows: emails,
    columns: `id, tenant, format, generation_at, status, from_address, to_address, subject, due_at,
      ring_after, lease_token, lease_expires_at, pinned_until, provider_id, created_at, updated_at,
      tags`,
    values: `${email}, 'user:user-' || (n % 100), 2, at, ${status}, 'a@b.cc',
      iif(n % 4 = 0, 'ada', 'user-' || n) || '@example.com', 'Hi', at, at,
      iif(${isSending}, 'lease-' || n, NULL), iif(${isSending}, ${end} + ${SPAN_MS}, NULL),
      iif(n % 35 = 1, ${end} + ${SPAN_MS}, NULL), 'provider-' || n, at, at,
      iif(n % 4 = 1, '["welcome"]', '[]')`,
  },
  {
    table: "attachments",
    rows: letters,
    columns: "id, tenant, status, filename, content_type, size_bytes, created_at, expires_at",
    values: `'file-of-' || ${email}, 'user:user-' || (n % 100), 'stored', 'a', 'b/c', 1, at,
      at + ${2 * SPAN_MS}`,
  },
  {
    table: "email_attachments",
    rows: letters,
    columns: "email_id, attachment_id",
    values: `${email}, 'file-of-' || ${email}`,
  },
  {
    table: "idempotency_keys",
    rows: users,
    columns: "tenant, key, request_hash, email_id, expires_at",
    values: `'user:user-' || (n % 100), 'k-' || n, 'h', ${email}, at + ${SPAN_MS}`,
  },
  {
    table: "dead_letters",
    rows: letters,
    columns: "id, kind, generation, reason, attempts, buried_at, expires_at",
    values: `${email}, 'email', 1, 'exhausted', 1, at, at + ${SPAN_MS}`,
  },
  {
    table: "webhook_messages",
    rows: emails,
    columns: "provider, message_id, received_at",
    values: "'resend', 'm-' || n, at",
  },
  {
    table: "suppressions",
    rows: letters,
    columns: "address, scope, reason, created_at",
    values: "'s-' || n, 'all', 'bounce', at",
  },
  {
    table: "scoped_suppressions",
    rows: letters,
    columns: "id, address, tenant, scope, reason, created_at",
    values: "'s_' || n, 's-' || n, 'user:user-' || n, 'all', 'bounce', at",
  },
  {
    table: "senders",
    rows: letters,
    columns: "id, identity, tenant, verified_at, verified_by, created_at, updated_at",
    values: "'snd_other_' || n, 'other-' || n || '.example', 'user:user-' || n, at, 'dns', at, at",
  },
  {
    table: "email_counts",
    rows: letters,
    columns: `tenant, kind, day, name, waiting, sent, delivered, bounced, complained, unknown, dead,
      cancelled, suppressed`,
    values: `iif(n % 2 = 0, 'user:user-' || n, ''), 'tag', date(at / 1000, 'unixepoch'),
      'tag-' || n, 0, 1, 0, 0, 0, 0, 0, 0, 0`,
  },
  {
    table: "email_templates",
    rows: letters,
    columns: "tenant, name, published_version, latest_version, bytes, created_at, updated_at",
    values: "'user:user-' || (n / 20), 'other-' || (n % 20), 1, 1, 10, at, at",
  },
  {
    table: "email_template_versions",
    rows: letters,
    columns: "id, tenant, name, version, bytes, author, created_at, layout, subject, html, example",
    values:
      "'tpl_other_' || n, 'user:user-' || (n / 20), 'other-' || (n % 20), 1, 10, 'ops', at, " +
      "1, 's', 'h', '{}'",
  },
  {
    table: "ended_tenants",
    rows: letters,
    columns: "tenant, ended_until, ended_at, swept_at",
    values: "'ended-' || n, 1, at, at",
  },
];

const ofUsers = ({ users: rows }: Sizes, end: number): Table[] => [
  {
    table: "users",
    rows,
    columns: "user_id, email, tier, api_key_hash, created_at, updated_at",
    values: `${user}, 'user-' || n || '@example.com', 'free', 'h-' || n, at, at`,
  },
  {
    table: "subscriptions",
    rows,
    columns: "user_id, status, started_at, trial_ends_at",
    values: `${user}, iif(n % 10 = 0, 'trialing', 'active'), at, at + ${2 * SPAN_MS}`,
  },
  {
    table: "usage_metrics",
    rows,
    columns: "user_id, metric, amount, updated_at",
    values: `${user}, 'calls', n, at`,
  },
  {
    table: "user_activity",
    rows,
    columns: "user_id, last_seen_at",
    values: `${user}, ${end} - n`,
  },
  {
    table: "usage_daily",
    rows,
    columns: "user_id, metric, day, amount, total",
    values: `${user}, 'calls', date(at / 1000, 'unixepoch'), 1, 1`,
  },
  {
    table: "usage_monthly",
    rows,
    columns: "user_id, metric, month, amount",
    values: `${user}, 'calls', '2023-09', 1`,
  },
  { table: "usage_reports", rows, columns: "user_id, week", values: `${user}, '2023-10-30'` },
  {
    table: "trial_addresses",
    rows,
    columns: "address_hash, started_at",
    values: "'a-' || n, at",
  },
  {
    table: "address_changes",
    rows,
    columns: "user_id, email, token_hash, requested_at, expires_at, requests, counted_from",
    values: `${user}, 'new-' || n, 't-' || n, at, at + ${SPAN_MS}, 1, at`,
  },
];

const ofTeams = ({ users: rows }: Sizes): Table[] => [
  {
    table: "teams",
    rows,
    columns: "team_id, name, created_at",
    values: `${email}, 'Team', at`,
  },
  {
    table: "team_members",
    rows,
    columns: "team_id, user_id, role, joined_at",
    values: `${email}, ${user}, 'owner', at`,
  },
  {
    table: "pending_members",
    rows,
    columns: "team_id, user_id, added_by, added_at, expires_at",
    values: `${email}, 'user-' || (n + 1), ${user}, at, at + ${SPAN_MS}`,
  },
  {
    table: "team_invitations",
    rows,
    columns: `id, team_id, email, role, invited_by, token_hash, status, created_at, sent_at,
      expires_at, kept_until`,
    values: `'inv_' || n, ${email}, 'i-' || n, 'member', ${user}, 'i-' || n,
      iif(n % 2, 'open', 'accepted'), at, at, at + ${SPAN_MS}, at + ${SPAN_MS}`,
  },
  {
    table: "invitation_emails",
    rows,
    columns: "subject, emails, counted_from",
    values: `'team:' || ${email}, 1, at`,
  },
  {
    table: "workspaces",
    rows,
    columns: "workspace_id, team_id, owner_id, name, created_at",
    values: `'w-' || n, ${email}, ${user}, 'Desk', at`,
  },
];

const ofHistory = ({ minutes, letters, users }: Sizes): Table[] => [
  {
    table: "purge_intents",
    rows: letters,
    columns: "id, tags, mode, created_at",
    values: "'p-' || n, '[]', 'hard', at",
  },
  {
    table: "answered_requests",
    rows: users,
    columns: "tenant, operation, key, request_hash, request_id, answer, expires_at",
    values: `${user}, 'addUsage', 'k', 'h', 'r', '{}', at + ${SPAN_MS}`,
  },
  {
    table: "audit_log",
    rows: users,
    columns: "id, at, actor, operation, path, request_id",
    values: "'a-' || n, at, 'another', 'suppress', '/', 'r'",
  },
  {
    table: "task_executions",
    rows: minutes,
    columns: "execution_id, trigger, started_at, ended_at, total",
    values: "'e-' || n, 'cron', at, at, 1",
  },
  {
    table: "task_runs",
    rows: minutes,
    columns: "run_id, execution_id, task, trigger, scheduled_at, status, started_at, ended_at",
    values: "'r-' || n, 'e-' || n, 'backup', 'cron', at, 'success', at, at",
  },
  {
    table: "alert_notices",
    rows: letters,
    columns: "id, key, kind, summary, at, email_at, webhook_at",
    values: "'n-' || n, 'task:' || (n % 20), 'fired', 'one', at, at, at",
  },
  {
    table: "api_keys",
    rows: letters,
    columns:
      "id, owner, name, prefix, hash, scopes, test, created_by, expires_at, created_at, updated_at",
    values: `'key_other_' || n, 'user:user-' || (n % 100), 'Key', 'p', 'other-' || n, '[]', 0, 'x',
      at + 2 * ${SPAN_MS}, at, at`,
  },
  {
    table: "webhook_endpoints",
    rows: letters,
    columns: "id, tenant, url, events, secret, created_at, updated_at",
    values: `'we_other_' || n, 'user:user-' || n, 'https://example.com/', '["email.sent"]', 's',
      at, at`,
  },
  {
    table: "webhook_events",
    rows: letters,
    columns: "id, type, tenant, at, data, pending",
    values: "'evt_' || n, 'email.sent', 'user:user-' || n, at, '{}', 0",
  },
  {
    table: "deliveries",
    rows: letters,
    columns: "id, kind, target, type, event, status, due_at, created_at, updated_at",
    values: `'evt_' || n || '.we', 'webhook', 'we_other_' || (n % 100), 'email.sent', n,
      iif(n % 50 = 0, 'dead', iif(n % 50 = 1, 'pending', 'delivered')), at, at, at`,
  },
  {
    table: "jobs",
    rows: letters,
    columns: `id, name, schedule, time_zone, from_at, target, timeout_ms, overlap, max_retries,
      backoff, missed, grace_ms, secret, next_at, created_at, updated_at`,
    values: `'job_other_' || n, 'job-other-' || n, '{"cron":"0 0 1 1 *"}', 'UTC', 1,
      '{"url":"https://a.bc/"}', 1000, 'skip', 1, '1s', 'skip', 60000, 's', 4000000000000, at, at`,
  },
];

/** What emails have beside their heads. */
const besideHeads = [
  `INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at, trouble)
   SELECT id, 1, 'to', to_address, tenant, created_at, ${troubled} FROM emails
   WHERE id LIKE 'other-%'`,
  `INSERT INTO email_events (email_id, n, generation, type, at)
   SELECT emails.id, event.key + 1, 1, event.value, created_at + event.key
   FROM emails, json_each('["queued", "claimed", "sending", "sent"]') AS event
   WHERE emails.id LIKE 'other-%'`,
  `INSERT INTO email_contents (email_id, text) SELECT id, 'Hi' FROM emails
   WHERE id LIKE 'other-%'`,
];

/** Of a column that a later migration adds: a quarter of the emails name a sender. */
const named = `UPDATE emails SET sender_id = 'snd_other', from_address = 'A <a@own.example>'
  WHERE id LIKE 'other-%2' OR id LIKE 'other-%6'`;

function insertInto({ table, rows, columns, values }: Table, end: number): string {
  const at = `${end - SPAN_MS - 1} + n * ${Math.floor(SPAN_MS / rows)}`;
  const next = `SELECT n + 1 FROM numbers WHERE n < ${rows}`;
  return `INSERT INTO ${table} (${columns})
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL ${next})
    SELECT ${values} FROM (SELECT n, ${at} AS at FROM numbers)`;
}

/**
 * Tables that a later migration makes stay away. Unique indexes stay, since triggers look rows up
 * by them; the others are made when their rows are there, which takes a fraction of the time.
 *
 * @param count emails; of what there is fewer of, as many as goes with them
 * @param end when the last of them was made
 */
export async function fill(db: D1Database, count: number, end: number): Promise<void> {
  const sizes = sizesFor(count);
  const tables = [
    ...ofEmails(sizes, end),
    ...ofUsers(sizes, end),
    ...ofTeams(sizes),
    ...ofHistory(sizes),
  ];
  const existing = await db
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
    .all<{ name: string }>();
  const names = new Set(existing.results.map(({ name }) => name));
  const { results: indexes } = await db
    .prepare(
      `SELECT name, sql FROM sqlite_master
       WHERE type = 'index' AND sql IS NOT NULL AND sql NOT LIKE 'CREATE UNIQUE%'`,
    )
    .all<{ name: string; sql: string }>();
  for (const { name } of indexes) await db.prepare(`DROP INDEX ${name}`).run();
  for (const table of tables)
    if (names.has(table.table)) await db.prepare(insertInto(table, end)).run();
  for (const sql of besideHeads) await db.prepare(sql).run();
  if (names.has("email_tags")) await db.prepare(named).run();
  for (const { sql } of indexes) await db.prepare(sql).run();
}
