/**
 * A D1 that counts its round trips: each `batch`, `run`, `all`, `first` and `raw` is one. It may be
 * away: then each takes so much longer, as by a network.
 */
export class CountedDatabase {
  roundTrips = 0;
  readonly db: D1Database;
  readonly #awayMs: number;
  readonly #wrapped = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

  constructor(db: D1Database, awayMs = 0) {
    this.#awayMs = awayMs;
    const batch = async <Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> => {
      await this.#travel();
      return await db.batch<Row>(
        statements.map((statement) => this.#wrapped.get(statement) ?? statement),
      );
    };
    this.db = { prepare: (sql: string) => this.#counted(db.prepare(sql)), batch } as D1Database;
  }

  async #travel(): Promise<void> {
    this.roundTrips += 1;
    if (this.#awayMs > 0) await scheduler.wait(this.#awayMs);
  }

  #counted(statement: D1PreparedStatement): D1PreparedStatement {
    const counted = new Proxy(statement, {
      get: (target, name) => {
        if (name === "bind") return (...values: unknown[]) => this.#counted(target.bind(...values));
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        return async (...values: unknown[]) => {
          await this.#travel();
          return (await method.apply(target, values)) as unknown;
        };
      },
    });
    this.#wrapped.set(counted, statement);
    return counted;
  }
}
