/** A D1 that counts its round trips: each `batch`, `run`, `all`, `first` and `raw` is one. */
export class CountedDatabase {
  roundTrips = 0;
  readonly db: D1Database;
  readonly #wrapped = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

  constructor(db: D1Database) {
    const batch = <Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> => {
      this.roundTrips += 1;
      return db.batch<Row>(
        statements.map((statement) => this.#wrapped.get(statement) ?? statement),
      );
    };
    this.db = { prepare: (sql: string) => this.#counted(db.prepare(sql)), batch } as D1Database;
  }

  #counted(statement: D1PreparedStatement): D1PreparedStatement {
    const counted = new Proxy(statement, {
      get: (target, name) => {
        if (name === "bind") return (...values: unknown[]) => this.#counted(target.bind(...values));
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        return (...values: unknown[]) => {
          this.roundTrips += 1;
          return method.apply(target, values) as unknown;
        };
      },
    });
    this.#wrapped.set(counted, statement);
    return counted;
  }
}
