import * as v from "valibot";
import { fail, ok, type Result } from "../../base/result.ts";
import { log } from "../../worker/log.ts";
import type { CacheCounts } from "../rules/counts.ts";
import { lostInJson } from "../rules/json.ts";
import type { CacheFailure } from "../rules/read.ts";

/** `text`: the value as JSON; null if JSON would change it: then it cannot be stored. */
type Normalized = { value: unknown; text: string | null };

/**
 * What was loaded, in the form in which KV would return it, so that it is the same from every tier.
 * A value that JSON would change is answered as it is. A value that does not fit its schema is a
 * defect of the loader.
 */
export function normalized(
  loaded: unknown,
  schema: v.GenericSchema,
  counts: CacheCounts,
): Result<Normalized, CacheFailure> {
  const given = loaded ?? null;
  const input: unknown = lostInJson(given) === null ? JSON.parse(JSON.stringify(given)) : given;
  const parsed = v.safeParse(v.nullable(schema), input);
  if (!parsed.success) {
    const path = v.getDotPath(parsed.issues[0]) ?? "value";
    log("error", "cache.value_refused", { path });
    return fail({
      tag: "threw",
      error: new TypeError(`what was loaded does not fit its schema: ${path}`),
    });
  }
  const lost = lostInJson(parsed.output);
  if (lost !== null) {
    counts.unstorable += 1;
    log("warn", "cache.not_json", { path: lost });
    return ok({ value: parsed.output, text: null });
  }
  const text = JSON.stringify(parsed.output);
  return ok({ value: JSON.parse(text), text });
}
