import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { fillEmails, fillTable } from "../support/large-store.ts";

const files = readdirSync("migrations").toSorted();
/** The last migration that may make a large table again. */
const shape = "0020";
const apply = (db: DatabaseSync, names: string[]): void =>
  names.forEach((name) => db.exec(readFileSync(`migrations/${name}`, "utf8")));

it("the first migrations that make the emails' table again keep every row", () => {
  const db = new DatabaseSync(":memory:");
  const before = files.filter((name) => name < "0004");
  apply(db, before);
  const insert = db.prepare(
    `INSERT INTO emails (id, tenant, generation, generation_at, status, from_address, to_address,
      subject, text, on_unknown, attempts, due_at, ring_after, created_at, updated_at)
     VALUES (?, 'admin', 2, 1, ?, 'a@b.cc', 'd@e.ff', 'Hi', 'Hi', 'resend', 3, 5, 6, 7, 8)`,
  );
  for (const status of ["queued", "claimed", "sending", "sent", "unknown", "dead"])
    insert.run(`email-${status}`, status);
  const rows = db.prepare("SELECT * FROM emails ORDER BY id").all();
  apply(
    db,
    files.slice(before.length).filter((name) => name < shape),
  );
  const added = {
    attachments: null,
    category: "transactional",
    tags: "[]",
    transport: null,
    pinned_until: null,
    provider_id: null,
    trace_id: null,
  };
  const after = db.prepare("SELECT * FROM emails ORDER BY id").all();
  expect(after).toEqual(rows.map((row) => ({ ...row, ...added })));
  expect(() => insert.run("bad", "lost")).toThrow("CHECK");
  for (const status of ["cancelled", "scheduled", "delivered", "discarded"])
    insert.run(`email-${status}`, status);
});

describe("the migration that gives emails their shape", () => {
  const db = new DatabaseSync(":memory:");
  apply(
    db,
    files.filter((name) => name < shape),
  );
  fillEmails(db, "before", { emails: 500, from: 1_700_000_000_000, spacingMs: 1_000 });
  const heads = db.prepare("SELECT * FROM emails ORDER BY id").all();
  const events = db.prepare("SELECT * FROM email_events ORDER BY email_id, id").all();
  apply(
    db,
    files.filter((name) => name >= shape),
  );
  const all = (sql: string) => db.prepare(sql).all();

  it("keeps every head, with its content in a table of its own", () => {
    expect(heads).toHaveLength(500);
    expect(
      all(
        `SELECT e.*, c.html, c.text, c.attachments FROM emails e
         JOIN email_contents c ON c.email_id = e.id ORDER BY e.id`,
      ),
    ).toEqual(heads.map((head) => expect.objectContaining({ ...head, format: 1 })));
    expect(
      all("SELECT id FROM emails WHERE html IS NOT NULL OR text IS NOT NULL OR attachments <> ''"),
    ).toEqual([]);
  });

  it("numbers the events of each email in their order", () => {
    const numbers = new Map<unknown, number>();
    expect(all("SELECT * FROM email_events ORDER BY email_id, n")).toEqual(
      events.map((event) => {
        const n = (numbers.get(event["email_id"]) ?? 0) + 1;
        numbers.set(event["email_id"], n);
        return { ...event, n, id: n };
      }),
    );
  });

  it("gives each email its recipient, with the status that lists look for", () => {
    expect(all("SELECT * FROM email_recipients ORDER BY email_id")).toEqual(
      heads.map((head) => ({
        email_id: head["id"],
        n: 1,
        kind: "to",
        address: head["to_address"],
        name: null,
        tenant: head["tenant"],
        created_at: head["created_at"],
        status: null,
        trouble: ["unknown", "pinned", "dead"].includes(String(head["status"]))
          ? head["status"]
          : null,
        detail: null,
      })),
    );
  });

  it("has no CHECK that a new status or reason would have to change", () => {
    for (const table of ["emails", "email_contents", "email_recipients", "email_events"])
      expect(
        all(`SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '${table}'`)[0]?.["sql"],
      ).not.toContain("CHECK");
  });

  it("leaves nothing of an email that is deleted", () => {
    db.exec("DELETE FROM emails");
    for (const table of ["email_contents", "email_recipients", "email_events"])
      expect(all(`SELECT COUNT(*) AS n FROM ${table}`)).toEqual([{ n: 0 }]);
  });
});

it("a dead letter has the tenant of its email, whichever release recorded it", () => {
  const db = new DatabaseSync(":memory:");
  const before = files.filter((name) => name < "0034");
  apply(db, before);
  fillEmails(db, "now", { emails: 2, from: 1_700_000_000_000, spacingMs: 1_000 });
  const record = () =>
    db.exec(`INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
      SELECT id, 'email', 'exhausted', 4, 1, 2 FROM emails
      WHERE id NOT IN (SELECT id FROM dead_letters) ORDER BY id LIMIT 1`);
  record();
  db.exec(`INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
    VALUES ('poison:m', 'poison', 'not a message', 1, 1, 2)`);
  apply(db, files.slice(before.length));
  record();
  const emails = db.prepare("SELECT tenant FROM emails ORDER BY id").all();
  const letters = db.prepare("SELECT tenant FROM dead_letters ORDER BY kind, id").all();
  expect(letters).toEqual([...emails, { tenant: null }]);
});

it("a migration that makes members and workspaces again keeps them, and from then on they go with their team", () => {
  const db = new DatabaseSync(":memory:", { enableForeignKeyConstraints: true });
  const before = files.filter((name) => name < "0010");
  apply(db, before);
  db.exec(`INSERT INTO users (user_id, tier, created_at, updated_at) VALUES ('ada', 'pro', 0, 0);
           INSERT INTO teams VALUES ('core', 'Core', 1), ('other', 'Other', 2);
           INSERT INTO team_members VALUES ('core', 'ada', 'owner', 3), ('other', 'ada', 'member',
             4);
           INSERT INTO workspaces VALUES ('mine', NULL, 'ada', 'Mine', 5), ('ours', 'core', 'ada',
             'Ours', 6)`);
  const members = () => db.prepare("SELECT * FROM team_members ORDER BY team_id").all();
  const workspaces = () => db.prepare("SELECT * FROM workspaces ORDER BY workspace_id").all();
  const indexes = () =>
    db
      .prepare(
        `SELECT name FROM sqlite_master WHERE tbl_name IN ('team_members', 'workspaces')
          AND type = 'index' ORDER BY name`,
      )
      .all();
  const kept = [members(), workspaces(), indexes()];
  apply(db, files.slice(before.length));
  expect([members(), workspaces(), indexes()]).toEqual(kept);
  expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
  db.exec("DELETE FROM teams WHERE team_id = 'core'");
  expect(members()).toMatchObject([{ team_id: "other" }]);
  expect(workspaces()).toMatchObject([{ workspace_id: "mine" }]);
});

describe("a migration after that", () => {
  /** Tables that grow with use: to copy one takes longer than D1 lets a query run. */
  const large = [
    "audit_log",
    "email_contents",
    "email_events",
    "email_recipients",
    "emails",
    "idempotency_keys",
    "suppressions",
    "task_executions",
    "task_runs",
    "usage_daily",
    "usage_metrics",
    "usage_monthly",
    "user_activity",
    "users",
    "webhook_messages",
  ];
  const rows = 200;

  function onLargeTables(): DatabaseSync {
    const db = new DatabaseSync(":memory:");
    apply(
      db,
      files.filter((name) => name.slice(0, 4) <= shape),
    );
    for (const table of large) fillTable(db, table, rows);
    return db;
  }

  const rootPages = (db: DatabaseSync) =>
    db
      .prepare(
        `SELECT name, rootpage FROM sqlite_master
         WHERE type = 'table' AND name IN (SELECT value FROM json_each(?)) ORDER BY name`,
      )
      .all(JSON.stringify(large));

  /** Whether it copies, drops or rewrites a large table. */
  function makesAgain(db: DatabaseSync, sql: string): boolean {
    const roots = rootPages(db);
    const changes = () => Number(db.prepare("SELECT total_changes() AS n").get()?.["n"]);
    const before = changes();
    db.exec(sql);
    return (
      changes() - before >= rows ||
      JSON.stringify(rootPages(db)) !== JSON.stringify(roots) ||
      /\bDROP\s+COLUMN\b/i.test(sql)
    );
  }

  it("makes no large table again", () => {
    const db = onLargeTables();
    const wrong = files
      .filter((name) => name.slice(0, 4) > shape)
      .filter((name) => makesAgain(db, readFileSync(`migrations/${name}`, "utf8")));
    expect(wrong).toEqual([]);
  });

  it.each([
    "CREATE TABLE n AS SELECT * FROM users; DROP TABLE users; ALTER TABLE n RENAME TO users;",
    "UPDATE audit_log SET path = '/';",
    "ALTER TABLE emails DROP COLUMN rings;",
  ])("would be noticed: %s", (sql) => {
    expect(makesAgain(onLargeTables(), `PRAGMA foreign_keys = OFF; ${sql}`)).toBe(true);
  });

  it("would be noticed as the one that gives emails their shape is", () => {
    const db = new DatabaseSync(":memory:");
    apply(
      db,
      files.filter((name) => name.slice(0, 4) < shape),
    );
    fillEmails(db, "before", { emails: rows, from: 1_700_000_000_000, spacingMs: 1_000 });
    const file = files.find((name) => name.startsWith(shape)) ?? "";
    expect(makesAgain(db, readFileSync(`migrations/${file}`, "utf8"))).toBe(true);
  });

  it("may add a column or an index", () => {
    const sql = "ALTER TABLE emails ADD COLUMN lane TEXT; CREATE INDEX i ON emails (lane, id);";
    expect(makesAgain(onLargeTables(), sql)).toBe(false);
  });
});
