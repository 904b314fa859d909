import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The migration that gives emails their shape, in steps that are each far below the 30 s that D1
 * gives a query, however many emails there are. Luna goes on meanwhile: triggers keep what was
 * copied as the release that runs writes it.
 */

export const SHAPE = "0020_email_shape.sql";

/** The most emails that the migration copies at once. */
export const MAX_EMAILS_AT_ONCE = 300_000;

/** Emails of one page. */
export const PAGE = 20_000;
/** As SQLite has it. */
const ALL = -1;

const MARKS = { copy: "INSERT INTO emails_new (", swap: "DROP TABLE emails;" };

/** The parts of the migration: new tables, how they are filled, and what follows. */
function parts(): { tables: string; copies: string[]; swap: string } {
  const sql = readFileSync(join(import.meta.dirname, "../../migrations", SHAPE), "utf8");
  const [copy, swap] = [sql.indexOf(MARKS.copy), sql.indexOf(MARKS.swap)];
  if (copy < 0 || swap < copy) throw new Error(`${SHAPE} has not the parts that are copied`);
  return {
    tables: sql.slice(sql.indexOf("CREATE TABLE emails_new"), copy),
    copies: sql
      .slice(copy, swap)
      .split(";")
      .map((statement) => statement.trim())
      .filter((statement) => statement !== ""),
    swap: sql.slice(swap),
  };
}

/** A copy of the next emails: at most `limit`. */
function onPage(statement: string, limit: number): string {
  const page = `(SELECT id FROM emails WHERE rowid > (SELECT after_row FROM emails_copied)
    ORDER BY rowid LIMIT ${limit})`;
  return statement
    .replace("FROM emails ORDER BY", `FROM emails WHERE id IN ${page} ORDER BY`)
    .replace("FROM email_events ORDER BY", `FROM email_events WHERE email_id IN ${page} ORDER BY`);
}

/** A copy of the email that a trigger is about. */
const ofOne = (statement: string): string =>
  statement
    .replace(/FROM emails ORDER BY.*$/s, "FROM emails WHERE id = NEW.id")
    .replace(/^INSERT INTO/, "INSERT OR REPLACE INTO");

/**
 * The SQL of each step. `page` is run until nothing is left; `swap` also copies what came since.
 */
export function pagedCopy(): { prepare: string; page: string; swap: string } {
  const { tables, copies, swap } = parts();
  const copyOf = (limit: number): string =>
    copies.map((statement) => onPage(statement, limit)).join(";\n");
  const [heads = "", , recipients = ""] = copies;
  const isCopied = "NEW.rowid <= (SELECT after_row FROM emails_copied)";
  return {
    prepare: `${tables}
CREATE TABLE emails_copied (id INTEGER PRIMARY KEY CHECK (id = 1), after_row INTEGER NOT NULL);
INSERT INTO emails_copied VALUES (1, 0);
CREATE TRIGGER emails_changed AFTER UPDATE ON emails WHEN ${isCopied}
BEGIN
  ${ofOne(heads)};
  ${ofOne(recipients)};
END;
CREATE TRIGGER email_events_added AFTER INSERT ON email_events
WHEN EXISTS (SELECT 1 FROM emails_new WHERE id = NEW.email_id)
BEGIN
  INSERT INTO email_events_new (email_id, n, generation, type, at, detail)
  SELECT NEW.email_id, COALESCE(MAX(n), 0) + 1, NEW.generation, NEW.type, NEW.at, NEW.detail
  FROM email_events_new WHERE email_id = NEW.email_id;
END;`,
    page: `${copyOf(PAGE)};
UPDATE emails_copied SET after_row = COALESCE((SELECT MAX(rowid) FROM (SELECT rowid FROM emails
  WHERE rowid > after_row ORDER BY rowid LIMIT ${PAGE})), after_row);
SELECT COUNT(*) AS left FROM (SELECT 1 FROM emails
  WHERE rowid > (SELECT after_row FROM emails_copied) LIMIT ${PAGE});`,
    swap: `${copyOf(ALL)};
DROP TABLE emails_copied;
DROP TRIGGER emails_changed;
DROP TRIGGER email_events_added;
${swap}
INSERT INTO d1_migrations (name) VALUES ('${SHAPE}');`,
  };
}

const file = (name: string, sql: string): string => `cat > ${name} <<'SQL'\n${sql}\nSQL`;

/** How an operator does it. */
export function pagedCopyText(database: string): string {
  const { prepare, page, swap } = pagedCopy();
  const run = (name: string): string =>
    `npx wrangler d1 execute ${database} --remote --yes --file ${name}`;
  return [
    "# 1. New tables, beside the old ones.",
    file("prepare.sql", prepare),
    run("prepare.sql"),
    `# 2. A page of ${PAGE} emails. Again, until "left" is 0.`,
    file("page.sql", page),
    run("page.sql"),
    '# 3. Right after a page with "left": 0. It also copies what came since.',
    file("swap.sql", swap),
    run("swap.sql"),
    "# 4. Deploy again.",
  ].join("\n");
}
