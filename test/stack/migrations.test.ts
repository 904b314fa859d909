import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";

const files = readdirSync("migrations").toSorted();
const apply = (db: DatabaseSync, names: string[]): void =>
  names.forEach((name) => db.exec(readFileSync(`migrations/${name}`, "utf8")));

it("a migration that makes the emails' table again keeps every row and every index", () => {
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
  const indexes = () =>
    db
      .prepare(
        `SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'emails'
          AND sql IS NOT NULL ORDER BY name`,
      )
      .all();
  const indexed = indexes();
  apply(db, files.slice(before.length));
  const after = db.prepare("SELECT * FROM emails ORDER BY id").all();
  const added = {
    attachments: null,
    category: "transactional",
    tags: "[]",
    transport: null,
    pinned_until: null,
    provider_id: null,
    trace_id: null,
  };
  expect(after).toEqual(rows.map((row) => ({ ...row, ...added })));
  expect(indexes()).toEqual(expect.arrayContaining(indexed));
  expect(() => insert.run("bad", "lost")).toThrow("CHECK");
  for (const status of ["cancelled", "scheduled", "delivered", "discarded"])
    insert.run(`email-${status}`, status);
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
