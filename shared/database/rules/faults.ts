/** The breaker of D1. */
export const DATABASE_BREAKER = "database";

/**
 * Whether an error of a D1 call speaks against the database. D1 puts `D1_ERROR:` before what it
 * reports and ends what SQLite refused with SQLite's result code
 * (developers.cloudflare.com/d1/observability/debug-d1, sqlite.org/rescode.html). A D1 that cannot
 * be reached reports nothing: then it is the runtime that does, without the prefix.
 *
 * | Message | Fault of |
 * |---|---|
 * | `TimeoutError`; what the runtime calls `retryable` or `overloaded` | the database |
 * | network lost, overloaded, reset, exceeded its limits; SQLITE_BUSY, _FULL, _IOERR, _CORRUPT, _NOMEM | the database |
 * | SQLITE_ERROR, _CONSTRAINT, _MISMATCH, _RANGE, _TOOBIG, _AUTH; wrong types or number of parameters | the caller |
 * | anything else: a row that does not parse, a defect of ours | the caller |
 */
export function isDatabaseFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (callersMistake.test(error.message)) return false;
  const { retryable, overloaded } = error as Error & { retryable?: unknown; overloaded?: unknown };
  return (
    error.name === "TimeoutError" ||
    retryable === true ||
    overloaded === true ||
    databaseTrouble.test(error.message)
  );
}

const databaseTrouble = /^D1_ERROR|^network connection lost|^internal error|\boverloaded\b/i;

const callersMistake =
  /SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG|AUTH|MISUSE)|D1_TYPE_ERROR|wrong number of parameter/i;

/**
 * The API's field behind a UNIQUE constraint that a write broke, or null if that is not why it
 * failed.
 */
export function takenField(error: unknown): "userId" | "email" | null {
  if (!(error instanceof Error)) return null;
  if (error.message.includes("UNIQUE constraint failed: users.user_id")) return "userId";
  if (error.message.includes("UNIQUE constraint failed: users.email")) return "email";
  return null;
}
