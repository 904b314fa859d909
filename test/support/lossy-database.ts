/**
 * A D1 that writes and loses the reply of its writes, the first `losses` times. Reads
 * through `first` and `all` of a SELECT answer.
 */
export function losingReplies(db: D1Database, losses = 1): D1Database {
  let left = losses;
  const lose = <Reply>(reply: Reply): Reply => {
    if (left === 0) return reply;
    left -= 1;
    throw new Error("D1_ERROR: Network connection lost.");
  };
  const statement = (sql: string, bound: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(bound, {
      get(target, name) {
        if (name === "bind")
          return (...values: unknown[]) => statement(sql, target.bind(...values));
        const method = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        if (sql.startsWith("SELECT")) return method.bind(target);
        return async (...values: unknown[]) => lose(await method.apply(target, values));
      },
    });
  return {
    prepare: (sql: string) => statement(sql, db.prepare(sql)),
    batch: async (statements: D1PreparedStatement[]) => lose(await db.batch(statements)),
  } as unknown as D1Database;
}
