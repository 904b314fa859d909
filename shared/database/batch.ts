type Statements = Record<string, D1PreparedStatement | readonly D1PreparedStatement[]>;

/**
 * Runs statements as one D1 batch, in the order of their names. Each reply has the name of its
 * statement, so that a statement more or less does not change what another reply means.
 */
export async function runBatch<const Named extends Statements>(
  db: D1Database,
  statements: Named,
): Promise<{ [Name in keyof Named]: Reply<Named[Name]> }> {
  const named = Object.entries(statements);
  const replies = await db.batch(named.flatMap(([, group]) => group));
  let next = 0;
  const take = (): D1Result | undefined => replies[next++];
  return Object.fromEntries(
    named.map(([name, group]) => [name, Array.isArray(group) ? group.map(() => take()) : take()]),
  ) as { [Name in keyof Named]: Reply<Named[Name]> };
}

type Reply<Group> = Group extends readonly unknown[] ? D1Result[] : D1Result;
