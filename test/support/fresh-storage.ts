import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

/**
 * Empties every binding. `reset` deletes only what is in memory, and after ten seconds without a
 * request an object leaves it, also those behind D1, KV and R2: so all that were used are asked
 * right before.
 */
export async function emptyStorage(): Promise<void> {
  const used = usedObjects();
  const stubs = [...used].map(([id, objects]) => objects.get(objects.idFromString(id)));
  await Promise.all(stubs.map((stub) => runInDurableObject(stub, () => undefined)));
  used.clear();
  do await reset();
  while ((await Promise.all(Object.values(env).map(hasContent))).includes(true));
}

/** By id; stubs cannot be shared, since each belongs to a request. */
type UsedObjects = Map<string, DurableObjectNamespace>;
type Shared = typeof globalThis & { usedObjects?: UsedObjects };

/** Of all files of the isolate so far, by id: modules do not outlive a file. */
function usedObjects(): UsedObjects {
  const shared = globalThis as Shared;
  if (shared.usedObjects !== undefined) return shared.usedObjects;
  const used: UsedObjects = new Map();
  shared.usedObjects = used;
  const prototype = Object.getPrototypeOf(env.CIRCUIT_BREAKER) as DurableObjectNamespace;
  const { get, getByName } = prototype;
  prototype.get = function (id, options) {
    used.set(String(id), this);
    return get.call(this, id, options);
  };
  prototype.getByName = function (name, options) {
    const stub = getByName.call(this, name, options);
    used.set(String(stub.id), this);
    return stub;
  };
  return used;
}

/** Whether a binding to D1, KV or R2 has anything; false for any other. */
async function hasContent(binding: unknown): Promise<boolean> {
  switch ((Object(binding) as object).constructor.name) {
    case "D1Database":
      return await hasTables(binding as D1Database);
    case "KvNamespace":
      return (await (binding as KVNamespace).list({ limit: 1 })).keys.length > 0;
    case "R2Bucket":
      return (await (binding as R2Bucket).list({ limit: 1 })).objects.length > 0;
    default:
      return false;
  }
}

const hasTables = async (db: D1Database): Promise<boolean> =>
  (await db
    .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' LIMIT 1")
    .first()) !== null;
