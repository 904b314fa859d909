/**
 * Whether an error of a D1 call speaks against the database. D1 puts `D1_ERROR:` before what it reports and ends what SQLite refused
 * with SQLite's result code (developers.cloudflare.com/d1/observability/debug-d1, sqlite.org/rescode.html):
 *
 * | Message | Fault of |
 * |---|---|
 * | `TimeoutError` | the database |
 * | network lost, overloaded, reset, exceeded its limits; SQLITE_BUSY, _FULL, _IOERR, _CORRUPT, _NOMEM | the database |
 * | SQLITE_ERROR, _CONSTRAINT, _MISMATCH, _RANGE, _TOOBIG, _AUTH; wrong types or number of parameters | the caller |
 * | anything else: a row that does not parse, a defect of ours | the caller |
 */
export function isDatabaseFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "TimeoutError") return true;
  return error.message.startsWith("D1_ERROR") && !callersMistake.test(error.message);
}

const callersMistake = /SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG|AUTH|MISUSE)|D1_TYPE_ERROR|wrong number of parameter/i;
