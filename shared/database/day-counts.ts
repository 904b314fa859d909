/**
 * SQL: what an upsert into `table` sets, where `column` counts what happens within a day from
 * `counted_from` on. The first one after that day begins the next.
 *
 * @param over SQL: days that began then or before are over
 */
export function countAgain(table: string, column: string, over: string): string {
  const isOver = `${table}.counted_from <= ${over}`;
  return `${column} = iif(${isOver}, 1, ${table}.${column} + 1),
    counted_from = iif(${isOver}, excluded.counted_from, ${table}.counted_from)`;
}
