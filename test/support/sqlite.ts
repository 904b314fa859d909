import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

/**
 * D1 and the storage of a Durable Object on Node's SQLite, for simulations: so many calls would
 * take hours in the local runtime. What is tested of SQL itself is tested there.
 */

/**
 * Called around each call to a database. It throws to let the call fail: `before` it has done
 * anything, or `after` everything.
 */
export type Disturb = (moment: "before" | "after", isWrite: boolean) => void;

type Bound = { sql: string; values: SQLInputValue[] };

export class SqliteD1 {
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();

  constructor() {
    for (const name of readdirSync("migrations").toSorted())
      this.#db.exec(readFileSync(`migrations/${name}`, "utf8"));
  }

  /** What a Worker gets. */
  binding(disturb: Disturb): D1Database {
    const call = async <Reply>(isWrite: boolean, work: () => Reply): Promise<Reply> => {
      disturb("before", isWrite);
      const reply = work();
      disturb("after", isWrite);
      return reply;
    };
    const statement = (bound: Bound): object => ({
      bound,
      bind: (...values: SQLInputValue[]) => statement({ ...bound, values }),
      all: () => call(isWrite(bound), () => this.#run(bound)),
      run: () => call(isWrite(bound), () => this.#run(bound)),
      first: (column?: string) =>
        call(isWrite(bound), () => {
          const [row] = this.#run(bound).results;
          return row === undefined ? null : column === undefined ? row : row[column];
        }),
    });
    return {
      prepare: (sql: string) => statement({ sql, values: [] }),
      batch: (statements: { bound: Bound }[]) =>
        call(
          statements.some(({ bound }) => isWrite(bound)),
          () => this.#batch(statements.map(({ bound }) => bound)),
        ),
    } as unknown as D1Database;
  }

  /** For the test itself: nothing disturbs it. */
  rows<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#run({ sql, values }).results as Row[];
  }

  #batch(batch: Bound[]): ReturnType<SqliteD1["rows"]>[] {
    this.#db.exec("BEGIN");
    try {
      const replies = batch.map((bound) => this.#run(bound));
      this.#db.exec("COMMIT");
      return replies as unknown as ReturnType<SqliteD1["rows"]>[];
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #run({ sql, values }: Bound): { results: Record<string, unknown>[]; meta: { changes: number } } {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    if (!isWrite({ sql }) || /\bRETURNING\b/.test(sql))
      return { results: statement.all(...values), meta: { changes: 0 } };
    return { results: [], meta: { changes: Number(statement.run(...values).changes) } };
  }
}

const isWrite = ({ sql }: Pick<Bound, "sql">): boolean => !/^\s*(SELECT|WITH|EXPLAIN)/i.test(sql);

/** The storage of one Durable Object. It outlives the object. */
export function objectStorage(setAlarm: (at: number) => void): DurableObjectStorage {
  const db = new DatabaseSync(":memory:");
  const statements = new Map<string, StatementSync>();
  const exec = (sql: string, ...values: SQLInputValue[]): { toArray: () => unknown[] } => {
    if (values.length === 0 && !sql.startsWith("SELECT")) {
      db.exec(sql);
      return { toArray: () => [] };
    }
    const statement = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, statement);
    const rows = statement.all(...values);
    return { toArray: () => rows };
  };
  const storage = {
    sql: { exec },
    transactionSync: (work: () => void) => work(),
    setAlarm: async (at: number) => setAlarm(at),
  };
  return storage as unknown as DurableObjectStorage;
}
