import { readDatabase } from "../../shared/database/read.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";

const MAX_RETRIES = 3;

/** A write that depends on facts read before it. */
export type DecidedWrite<Facts, Value> = {
  read: () => Promise<Facts>;
  /** The rule: why the write is refused, or null. */
  denyReason: (facts: Facts) => Failure | null;
  /** Writes only if the facts have not changed; null if they have, and nothing was written. */
  write: (facts: Facts) => Promise<Result<Value | null, Failure>>;
};

/** Reads facts, decides and writes. Repeats if others changed the facts in between. */
export async function decideAndWrite<Facts, Value>(
  env: ApiEnv,
  { read, denyReason, write }: DecidedWrite<Facts, Value>,
): Promise<Result<Value, Failure>> {
  for (let retries = 0; retries <= MAX_RETRIES; retries += 1) {
    const facts = await readDatabase(env, read);
    if (!facts.ok) return facts;
    const denied = denyReason(facts.value);
    if (denied !== null) return fail(denied);
    const written = await write(facts.value);
    if (!written.ok) return written;
    if (written.value !== null) return ok(written.value);
  }
  return fail({
    tag: "wrong-state",
    detail:
      "Other requests changed the same data at the same time. Nothing was written: try again.",
  });
}
