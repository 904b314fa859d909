import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { fillEmails } from "../../test/support/large-store.ts";
import { pagedCopy, PAGE, SHAPE } from "./paged-copy.ts";

const EMAILS = 500;
/** So that a test has several. */
const SMALL_PAGE = 150;

const sqlOf = (name: string): string => readFileSync(`migrations/${name}`, "utf8");

/** A database of the release before, as Wrangler migrates it. */
function before(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)");
  for (const name of readdirSync("migrations").toSorted()) if (name < SHAPE) db.exec(sqlOf(name));
  fillEmails(db, "before", { emails: EMAILS, from: 1_700_000_000_000, spacingMs: 1_000 });
  return db;
}

/** What the release before does meanwhile, to emails that are copied and to others. */
function write(db: DatabaseSync, round: number): void {
  db.exec(`
    UPDATE emails SET status = 'unknown', updated_at = ${round} WHERE rowid % 97 = ${round};
    INSERT INTO email_events (email_id, generation, type, at)
    SELECT id, 1, 'unknown', ${round} FROM emails WHERE rowid % 97 = ${round};
    INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject, html,
      due_at, ring_after, created_at, updated_at)
    VALUES ('new-${round}', 'admin', 1, 'queued', 'a@b.cc', 'd@e.ff', 'Hi', 'Hi', 1, 1, 1, 1);
    INSERT INTO email_events (email_id, generation, type, at)
    VALUES ('new-${round}', 1, 'queued', 1);`);
}

const contentOf = (db: DatabaseSync) => ({
  schema: db.prepare("SELECT type, name, tbl_name FROM sqlite_master ORDER BY name").all(),
  rows: ["emails", "email_contents", "email_recipients", "email_events"].map((table) =>
    db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all(),
  ),
});

it("leaves what the migration leaves, while the release before writes", () => {
  const paged = before();
  const { prepare, page, swap } = pagedCopy();
  const small = page.replaceAll(`LIMIT ${PAGE}`, `LIMIT ${SMALL_PAGE}`);
  expect(small).not.toBe(page);
  paged.exec(prepare);
  let rounds = 0;
  const left = () =>
    paged
      .prepare(
        "SELECT COUNT(*) AS n FROM emails WHERE rowid > (SELECT after_row FROM emails_copied)",
      )
      .get()?.["n"];
  do {
    rounds += 1;
    write(paged, rounds);
    paged.exec(small);
  } while (left() !== 0);
  expect(rounds).toBeGreaterThan(3);
  write(paged, (rounds += 1));
  paged.exec(swap);

  const atOnce = before();
  for (let round = 1; round <= rounds; round += 1) write(atOnce, round);
  atOnce.exec(sqlOf(SHAPE));
  atOnce.exec(`INSERT INTO d1_migrations (name) VALUES ('${SHAPE}')`);
  expect(contentOf(paged)).toEqual(contentOf(atOnce));
  expect(paged.prepare("SELECT name FROM d1_migrations").all()).toEqual([{ name: SHAPE }]);
});
