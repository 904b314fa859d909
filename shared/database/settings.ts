import * as v from "valibot";
import { fail, ok, type Result } from "../lib/base/result.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";

/** Of D1 on a paid plan: https://developers.cloudflare.com/d1/platform/limits/ */
const DEFAULT_LIMIT_MB = 10_000;
const BYTES_PER_MB = 1_000_000;

const limit = v.object({ DATABASE_LIMIT_MB: wholeNumber(DEFAULT_LIMIT_MB, 1, 1_000_000) });

export type DatabaseVariables = VariablesOf<typeof limit>;

/** How large the database may become. An invalid setting is listed in `wrong`: the default then. */
export function databaseLimit(env: DatabaseVariables): { bytes: number; wrong: Misconfigured[] } {
  const read = readVariables(limit, env);
  const megabytes = read.ok ? read.value.DATABASE_LIMIT_MB : DEFAULT_LIMIT_MB;
  return { bytes: megabytes * BYTES_PER_MB, wrong: read.ok ? [] : [read.error] };
}

/** For the start and for deployments, which stop at the first invalid setting. */
export function checkDatabaseLimit(env: DatabaseVariables): Result<null, Misconfigured> {
  const [wrong] = databaseLimit(env).wrong;
  return wrong === undefined ? ok(null) : fail(wrong);
}
