import type { DatabaseSync } from "node:sqlite";

/**
 * A database as it is after months of use, made by SQL: for tests of what must not grow with what
 * is stored. The same on each run.
 */

/**
 * `emails`: how many. `from`: when the first was accepted, in milliseconds since the epoch, and
 * `spacingMs` between two.
 */
export type EmailFill = { emails: number; from: number; spacingMs: number };

/** How many of 2,000 emails have each status, in this order. The rest is `sent`. */
const shares: [status: string, of2000: number][] = [
  ["delivered", 1_000],
  ["suppressed", 20],
  ["dead", 14],
  ["unknown", 6],
  ["pinned", 2],
  ["scheduled", 2],
  ["queued", 2],
];

/** SQL over `n`, the place of an email. A multiple of a prime spreads the statuses. */
function statusSql(): string {
  let until = 0;
  const cases = shares.map(([status, of2000]) => {
    until += of2000;
    return `WHEN (n * 787) % 2000 < ${until} THEN '${status}'`;
  });
  return `CASE ${cases.join(" ")} ELSE 'sent' END`;
}

/** A body as the templates make them: 1.2 to 2.2 kB of HTML. */
const html = "'<p>' || substr(hex(zeroblob(1100)), 1, 1200 + (n * 331) % 1000) || '</p>'";
const numbers = (count: number): string =>
  `WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT ${count})`;

/**
 * Fills the tables of emails.
 *
 * @param schema `before`: that of the release before `0020_email_shape.sql`
 */
export function fillEmails(
  db: DatabaseSync,
  schema: "before" | "now",
  { emails, from, spacingMs }: EmailFill,
): void {
  const at = `${from} + n * ${spacingMs}`;
  // Of version 7 in the order of their time, or of no order, as version 4.
  const id =
    schema === "now"
      ? `printf('%08x-%04x-7000-8000-%012x', (${at}) >> 16, (${at}) & 65535, n)`
      : `printf('%08x-0000-4000-8000-%012x', (n * 2654435761) & 4294967295, n)`;
  const tenant = `CASE n % 4 WHEN 0 THEN 'admin' ELSE 'user:' || (n * 7919 % 200000) END`;
  const to = `CASE n % 50 WHEN 0 THEN 'Popular@example.com'
    ELSE 'user' || (n * 7919 % 200000) || '@example.com' END`;
  const head = `${id} AS id, ${tenant} AS tenant, ${at} AS at, ${statusSql()} AS status,
    ${to} AS address, n`;
  db.exec("BEGIN");
  db.exec(`CREATE TEMP TABLE made AS ${numbers(emails)} SELECT ${head} FROM numbers`);
  const columns = `id, tenant, generation_at, status, from_address, to_address, subject, due_at,
    ring_after, created_at, updated_at, sent_at, provider_id, pinned_until, dead_reason`;
  const values = `id, tenant, at, status, 'Luna <hello@luna.example>', address,
    'Subject ' || n, at, at, at, at, iif(status IN ('sent', 'delivered'), at, NULL),
    iif(status IN ('sent', 'delivered'), 'p-' || n, NULL),
    iif(status = 'pinned', at + 86400000, NULL), iif(status = 'dead', 'exhausted', NULL)`;
  if (schema === "before") {
    db.exec(`INSERT INTO emails (${columns}, html, text)
             SELECT ${values}, ${html}, 'Text ' || n FROM made`);
  } else {
    db.exec(`INSERT INTO emails (${columns}, format) SELECT ${values}, 2 FROM made;
      INSERT INTO email_contents (email_id, html, text) SELECT id, ${html}, 'Text' FROM made;
      INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at, trouble)
      SELECT id, 1, 'to', address, tenant, at,
        iif(status IN ('unknown', 'pinned', 'dead'), status, NULL) FROM made`);
  }
  const types = ["queued", "claimed", "sending", "status"];
  for (const [place, type] of types.entries()) {
    const number = schema === "now" ? ["n, ", `${place + 1}, `] : ["", ""];
    db.exec(`INSERT INTO email_events (email_id, ${number[0]}generation, type, at, detail)
      SELECT id, ${number[1]}1, ${type === "status" ? "status" : `'${type}'`}, at + ${place},
        iif('${type}' = 'sending', '{"transport":"smtp"}', NULL) FROM made`);
  }
  db.exec("DROP TABLE made; COMMIT");
}

/** Fills any table with rows that its constraints allow, made from their place. */
export function fillTable(db: DatabaseSync, table: string, rows: number): void {
  const columns = db
    .prepare("SELECT name, type, hidden FROM pragma_table_xinfo(?)")
    .all(table)
    .filter(({ hidden }) => hidden === 0) as { name: string; type: string }[];
  const sql = String(
    db.prepare("SELECT sql FROM sqlite_master WHERE name = ?").get(table)?.["sql"],
  );
  const value = ({ name, type }: { name: string; type: string }): string => {
    const [, allowed] = new RegExp(`CHECK \\(${name} IN \\('?([\\w-]+)'?`).exec(sql) ?? [];
    if (allowed !== undefined) return type === "INTEGER" ? allowed : `'${allowed}'`;
    if (name === "format") return "2";
    return type === "INTEGER" ? "n + 1" : "'row-' || n";
  };
  db.exec("PRAGMA foreign_keys = OFF");
  db.exec(`INSERT OR IGNORE INTO ${table}
    (${columns.map(({ name }) => name).join(", ")}) ${numbers(rows)}
    SELECT ${columns.map(value).join(", ")} FROM numbers`);
}
