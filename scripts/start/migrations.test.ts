import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { areApplied, noteApplied } from "./migrations.ts";

let directory = "";
const database = () => ({
  stateDir: join(directory, "state"),
  config: join(directory, "database.json"),
  migrations: join(directory, "migrations"),
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luna-migrations-"));
  mkdirSync(join(directory, "state/v3/d1"), { recursive: true });
  mkdirSync(join(directory, "migrations"));
  writeFileSync(join(directory, "migrations/0001_first.sql"), "CREATE TABLE one (id)");
  writeFileSync(join(directory, "database.json"), '{"d1_databases":[{"database_name":"luna"}]}');
  noteApplied(database());
});
afterEach(() => rmSync(directory, { recursive: true }));

it("a database whose migrations were applied is not asked again", () => {
  expect(areApplied(database())).toBe(true);
});

it.each([
  ["a new migration", () => writeFileSync(join(directory, "migrations/0002_next.sql"), "")],
  ["another database", () => writeFileSync(join(directory, "database.json"), "{}")],
  ["a database that was deleted", () => rmSync(join(directory, "state/v3"), { recursive: true })],
])("%s is migrated", (_, change) => {
  change();
  expect(areApplied(database())).toBe(false);
});
