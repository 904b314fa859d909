/** What SQLite does for a statement, and which of it costs more as tables grow. */

const SORT = "USE TEMP B-TREE";

/**
 * The steps of a plan that read a whole table or index, or sort what they have read. A scan of JSON
 * that was bound, of rows without a table and of another step's result has that step's cost.
 */
export function wrongSteps(plan: readonly string[]): string[] {
  const made = new Set(
    plan.flatMap((step) => /^(?:CO-ROUTINE|MATERIALIZE) (.+)$/.exec(step)?.[1] ?? []),
  );
  return plan.filter((step) => {
    if (step.startsWith(SORT)) return true;
    const [, scanned] = /^SCAN (\S+)/.exec(step) ?? [];
    if (scanned === undefined || / VIRTUAL TABLE/.test(step)) return false;
    return scanned !== "CONSTANT" && !made.has(scanned);
  });
}
