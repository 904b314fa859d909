import type { Work } from "./cases.ts";

/** Records the statements that code prepares, with the place in the source of each. */

/**
 * Where a statement is made. `place`: of the call, as the runtime has it: `file:1:2`. `callers`:
 * the functions that are under way.
 */
export type Origin = { file: string; place: string; callers: string[] };

/** `values`: the last that were bound. */
export type Statement = Origin & { sql: string; values: unknown[] };

const ownCode = /\/((?:shared|workers)\/[^\s:)]+\.ts):(\d+:\d+)/;
const named = /at (?:async )?(?:\w+\.)*(\w+) \(/;

/** The origin of a statement that is being made. Null: a test makes it, not the code under test. */
export function originOf(stack = new Error("for its stack").stack ?? ""): Origin | null {
  const frames = stack
    .split("\n")
    .filter((line) => line.includes(".ts:") && !/\/test\/(support|api\/statements)\//.test(line));
  const [, file = "", place = ""] = ownCode.exec(frames[0] ?? "") ?? [];
  if (file === "") return null;
  const callers = frames.flatMap((line) => named.exec(line)?.[1] ?? []);
  return { file, place: `${file}:${place}`, callers };
}

/** Of a statement in a case itself, as `selectPastUsage(...).all()`. */
const inCase: Origin = { file: "", place: "", callers: [] };

/** The statements that `work` prepares. They are run, too. */
export async function recordOf(db: D1Database, work: Work): Promise<Statement[]> {
  const statements: Statement[] = [];
  const prepare = (sql: string): D1PreparedStatement => {
    const statement: Statement = { sql, values: [], ...(originOf() ?? inCase) };
    statements.push(statement);
    const prepared = db.prepare(sql);
    const bind = prepared.bind.bind(prepared);
    prepared.bind = (...values: unknown[]) => {
      statement.values = values;
      return bind(...values);
    };
    return prepared;
  };
  await work({ prepare, batch: db.batch.bind(db) } as D1Database);
  return statements;
}

/** The statements that `work` runs in the storage of an object. */
export function recordOfObject(sql: SqlStorage, work: (sql: SqlStorage) => unknown): Statement[] {
  const statements: Statement[] = [];
  const exec = (text: string, ...values: SqlStorageValue[]) => {
    statements.push({ sql: text, values, ...(originOf() ?? inCase) });
    return sql.exec(text, ...values);
  };
  work({ exec } as unknown as SqlStorage);
  return statements;
}
