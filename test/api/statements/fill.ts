/** Fills every table of D1 that grows with rows of others, as after months of use. */

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

/**
 * Of each table: columns, and SQL of their values over `n` and `at`. A quarter of the emails is to
 * the recipient that cases are about.
 */
function tables(count: number, end: number): [table: string, columns: string, values: string][] {
  const at = `(${end - SPAN_MS - 1} + n * ${Math.floor(SPAN_MS / count)})`;
  const day = `date(${at} / 1000, 'unixepoch')`;
  const user = `'user-' || n`;
  return [
    [
      "users",
      "user_id, email, tier, api_key_hash, created_at, updated_at",
      `${user}, 'user-' || n || '@example.com', 'free', 'h-' || n, ${at}, ${at}`,
    ],
    [
      "subscriptions",
      "user_id, status, started_at, trial_ends_at",
      `${user}, iif(n % 10 = 0, 'trialing', 'active'), ${at}, ${at} + ${2 * SPAN_MS}`,
    ],
    ["usage_metrics", "user_id, metric, amount, updated_at", `${user}, 'calls', n, ${at}`],
    ["user_activity", "user_id, last_seen_at", `${user}, ${end} - n`],
    ["usage_daily", "user_id, metric, day, amount, total", `${user}, 'calls', ${day}, 1, 1`],
    ["usage_monthly", "user_id, metric, month, amount", `${user}, 'calls', '2023-09', 1`],
    ["usage_reports", "user_id, week", `${user}, '2023-10-30'`],
    ["trial_addresses", "address_hash, started_at", `'a-' || n, ${at}`],
    [
      "address_changes",
      "user_id, email, token_hash, requested_at, expires_at, requests, counted_from",
      `${user}, 'new-' || n, 't-' || n, ${at}, ${at} + ${SPAN_MS}, 1, ${at}`,
    ],
    ["teams", "team_id, name, created_at", `'other-' || n, 'Team', ${at}`],
    ["team_members", "team_id, user_id, role, joined_at", `'other-' || n, ${user}, 'owner', ${at}`],
    [
      "pending_members",
      "team_id, user_id, added_by, added_at, expires_at",
      `'other-' || n, 'user-' || (n + 1), ${user}, ${at}, ${at} + ${SPAN_MS}`,
    ],
    [
      "workspaces",
      "workspace_id, team_id, owner_id, name, created_at",
      `'w-' || n, 'other-' || n, ${user}, 'Desk', ${at}`,
    ],
    ["purge_intents", "id, tags, mode, created_at", `'p-' || n, '[]', 'hard', ${at}`],
    [
      "answered_requests",
      "tenant, operation, key, request_hash, request_id, answer, expires_at",
      `${user}, 'addUsage', 'k', 'h', 'r', '{}', ${at} + ${SPAN_MS}`,
    ],
    [
      "audit_log",
      "id, at, actor, operation, path, request_id",
      `'a-' || n, ${at}, 'another', 'suppress', '/', 'r'`,
    ],
    [
      "emails",
      `id, tenant, format, generation_at, status, from_address, to_address, subject, due_at,
       ring_after, lease_token, lease_expires_at, pinned_until, provider_id, created_at,
       updated_at`,
      `'other-' || n, 'user:user-' || (n % 100), 2, ${at}, ${status}, 'a@b.cc',
       iif(n % 4 = 0, 'ada', 'user-' || n) || '@example.com', 'Hi', ${at}, ${at},
       iif(${isSending}, 'lease-' || n, NULL), iif(${isSending}, ${end} + ${SPAN_MS}, NULL),
       iif(n % 35 = 1, ${end} + ${SPAN_MS}, NULL), 'provider-' || n, ${at}, ${at}`,
    ],
    [
      "idempotency_keys",
      "tenant, key, request_hash, email_id, expires_at",
      `'user:user-' || (n % 100), 'k-' || n, 'h', 'other-' || n, ${at} + ${SPAN_MS}`,
    ],
    [
      "dead_letters",
      "id, kind, generation, reason, attempts, buried_at, expires_at",
      `'other-' || n, 'email', 1, 'exhausted', 1, ${at}, ${at} + ${SPAN_MS}`,
    ],
    ["suppressions", "address, scope, reason, created_at", `'s-' || n, 'all', 'bounce', ${at}`],
    ["webhook_messages", "provider, message_id, received_at", `'resend', 'm-' || n, ${at}`],
    ["ended_tenants", "tenant, ended_until, ended_at, swept_at", `'ended-' || n, 1, ${at}, ${at}`],
    [
      "task_executions",
      "execution_id, trigger, started_at, ended_at, total",
      `'e-' || n, 'cron', ${at}, ${at}, 1`,
    ],
    [
      "task_runs",
      "run_id, execution_id, task, trigger, scheduled_at, status, started_at, ended_at",
      `'r-' || n, 'e-' || n, 'backup', 'cron', ${at}, 'success', ${at}, ${at}`,
    ],
    [
      "alert_notices",
      "id, key, kind, summary, at, email_at, webhook_at",
      `'n-' || n, 'task:' || (n % 20), 'fired', 'one', ${at}, ${at}, ${at}`,
    ],
  ];
}

/**
 * @param count rows per table
 * @param end when the last of them was made
 */
export async function fill(db: D1Database, count: number, end: number): Promise<void> {
  const numbers = `WITH RECURSIVE numbers (n) AS
    (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})`;
  const inserts = tables(count, end).map(
    ([table, columns, values]) =>
      `INSERT INTO ${table} (${columns}) ${numbers} SELECT ${values} FROM numbers`,
  );
  const ofEmails = [
    `INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at, trouble)
     SELECT id, 1, 'to', to_address, tenant, created_at, ${troubled} FROM emails
     WHERE id LIKE 'other-%'`,
    `INSERT INTO email_events (email_id, n, generation, type, at)
     SELECT id, 1, 1, 'queued', created_at FROM emails WHERE id LIKE 'other-%'`,
    `INSERT INTO email_contents (email_id, text) SELECT id, 'Hi' FROM emails
     WHERE id LIKE 'other-%'`,
  ];
  for (const sql of [...inserts, ...ofEmails]) await db.prepare(sql).run();
}
