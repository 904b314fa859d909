/**
 * Runs statements in one transaction.
 *
 * @returns the reply to each statement, looked up by the statement and not by its position
 */
export async function runBatch(
  db: D1Database,
  statements: D1PreparedStatement[],
): Promise<(statement: D1PreparedStatement) => D1Result | undefined> {
  const replies = await db.batch(statements);
  return (statement) => replies[statements.indexOf(statement)];
}
