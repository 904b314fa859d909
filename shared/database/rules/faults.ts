/** The breaker of D1. */
export const DATABASE_BREAKER = "database";

/**
 * Whether an error of a D1 call counts as a failure of the database. D1's own errors begin with
 * `D1_ERROR:` and end with SQLite's result code
 * (developers.cloudflare.com/d1/observability/debug-d1, sqlite.org/rescode.html). If D1 cannot be
 * reached, the runtime reports that without the prefix.
 *
 * | Message | Fault of |
 * |---|---|
 * | `TimeoutError`; what the runtime calls `retryable` or `overloaded` | the database |
 * | network lost, overloaded, reset, exceeded its limits | the database |
 * | SQLITE_BUSY, _IOERR, _CORRUPT, _NOMEM | the database |
 * | SQLITE_FULL: it answers, and has no room | nobody: see `isDatabaseFull` |
 * | SQLITE_ERROR, _CONSTRAINT, _MISMATCH, _RANGE, _TOOBIG, _AUTH | the caller |
 * | wrong types or number of parameters | the caller |
 * | anything else: a row that does not parse, a defect of ours | the caller |
 */
export function isDatabaseFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isDatabaseFull(error) || callersMistake.test(error.message)) return false;
  const { retryable, overloaded } = error as Error & { retryable?: unknown; overloaded?: unknown };
  return (
    error.name === "TimeoutError" ||
    retryable === true ||
    overloaded === true ||
    databaseFailure.test(error.message)
  );
}

/**
 * Whether a write was refused because the database has no room for it. It answered, so nothing was
 * written, and reads and deletions go on.
 */
export function isDatabaseFull(error: unknown): boolean {
  return error instanceof Error && noRoom.test(error.message);
}

/**
 * Whether it was refused by the triggers of migration 0021, which keep the last room for what was
 * accepted, for tasks and for operators.
 */
export function isReserveKept(error: unknown): boolean {
  return error instanceof Error && reserveKept.test(error.message);
}

const reserveKept = /\bdatabase-full:/;
const noRoom =
  /\bSQLITE_FULL\b|database or disk is full|exceeded maximum db size|\bdatabase-full:/i;

const databaseFailure = /^D1_ERROR|^network connection lost|^internal error|\boverloaded\b/i;

const callersMistake = new RegExp(
  "SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG|AUTH|MISUSE)|" +
    "D1_TYPE_ERROR|wrong number of parameter",
  "i",
);

/**
 * The API's field whose UNIQUE constraint a write violated. Null if the write failed for another
 * reason.
 */
export function takenField(error: unknown): "userId" | "email" | "name" | null {
  if (!(error instanceof Error)) return null;
  if (error.message.includes("UNIQUE constraint failed: users.user_id")) return "userId";
  if (error.message.includes("UNIQUE constraint failed: users.email")) return "email";
  if (error.message.includes("UNIQUE constraint failed: jobs.name")) return "name";
  return null;
}
