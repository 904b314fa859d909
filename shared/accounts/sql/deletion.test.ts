import { expect, it } from "vitest";
import { SqliteD1 } from "../../../test/support/sqlite.ts";
import { saveDeletion } from "./deletion.ts";

/** Tables of a user's data that a deletion does not touch, with the reason. */
const kept: Record<string, string> = {
  usage_metrics: "usage is kept",
  usage_daily: "usage is kept",
  usage_monthly: "usage is kept",
};

it("a deletion writes to each table that has rows of a user, except those that are kept", async () => {
  const sqlite = new SqliteD1();
  const d1 = sqlite.binding(() => undefined);
  const written = new Set<string>();
  const recording = {
    batch: (statements: D1PreparedStatement[]) => d1.batch(statements),
    prepare: (sql: string) => {
      for (const [, table = ""] of sql.matchAll(/\b(?:UPDATE|DELETE FROM) (\w+)/g))
        written.add(table);
      return d1.prepare(sql);
    },
  } as D1Database;
  await saveDeletion(recording, "ada", { purgeId: "purge", now: 1, notice: [] });
  const tables = sqlite.rows<{ name: string }>(
    `SELECT DISTINCT t.name FROM sqlite_master t, pragma_table_info(t.name) c
     WHERE t.type = 'table' AND c.name IN ('user_id', 'owner_id')`,
  );
  expect(tables.length).toBeGreaterThan(8);
  expect(
    tables.map(({ name }) => name).filter((name) => !written.has(name) && !(name in kept)),
  ).toEqual([]);
});
