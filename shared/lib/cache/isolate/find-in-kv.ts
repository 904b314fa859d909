import * as v from "valibot";
import { log } from "../../worker/log.ts";
import type { KvDetail } from "../rules/cache-status.ts";
import { entryFrom, type Entry } from "../rules/entry.ts";
import { decode, isForeign } from "../rules/envelope.ts";
import { nameOfShape } from "../rules/keys.ts";
import type { ReadOptions } from "../rules/read.ts";
import { isTag } from "../tags/rules/names.ts";
import { MAX_TAGS, type StorePorts } from "./store-entry.ts";

/**
 * What KV has for a reader. `name`: where the reader may write; null: nowhere, since other releases
 * or Workers use every name that it could.
 */
export type Found = { entry: Entry | null; detail: KvDetail | null; name: string | null };

type Shape = Pick<ReadOptions<unknown, unknown>, "schema" | "tags">;
type KvPorts = Pick<StorePorts, "countsOf" | "kv" | "background" | "random">;

/**
 * Reads an entry from KV. An entry of another shape, or of a newer envelope, is of another release
 * or Worker. It stays, and this reader uses a second name for its own entry: if each deleted or
 * replaced the other's, neither would ever be hit.
 */
export async function findInKv(ports: KvPorts, key: string, read: Shape): Promise<Found> {
  // No entry with such a key is ever written.
  if (!isTag(key)) return { entry: null, detail: null, name: null };
  const common = await findUnder(ports, { name: key, key }, read);
  if (common.detail !== "kv-foreign") return common;
  const name = nameOfShape(key, read.schema);
  const own = await findUnder(ports, { name, key }, read);
  return { ...own, detail: own.detail ?? "kv-foreign" };
}

async function findUnder(
  { countsOf, kv, background, random }: KvPorts,
  { name, key }: { name: string; key: string },
  { schema, tags }: Shape,
): Promise<Found> {
  const found = await kv.read(name);
  if (found.kind === "failed") return { entry: null, detail: found.detail, name };
  if (found.kind === "missing") return { entry: null, detail: null, name };
  const decoded = decode(found.text, key, v.nullable(schema));
  if (decoded.ok) {
    const { value } = decoded.value;
    // A release before this one had no limit.
    if (decoded.value.tags.length > MAX_TAGS) return { entry: null, detail: null, name };
    const further = typeof tags === "function" ? tagsOf(tags, value) : tags;
    if (further === null) return { entry: null, detail: "kv-foreign", name: null };
    const envelope = { ...decoded.value, tags: [...decoded.value.tags, ...further] };
    return { entry: entryFrom(envelope, found.text.length, schema, random()), detail: null, name };
  }
  if (isForeign(decoded.error)) return { entry: null, detail: "kv-foreign", name: null };
  countsOf(key).corrupt += 1;
  log("warn", "cache.corrupt_entry", { reason: decoded.error.tag });
  // Or it would be a miss for all readers.
  background(kv.delete(name));
  return { entry: null, detail: "kv-corrupt", name };
}

/** Null if the function throws: then the value is none that it was written for. */
function tagsOf<Value>(
  tags: (value: Value) => readonly string[],
  value: Value,
): readonly string[] | null {
  try {
    return tags(value);
  } catch {
    return null;
  }
}
