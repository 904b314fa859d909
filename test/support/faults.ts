import type { ApiEnv } from "../../workers/env.ts";

/** The parts that a cached read leans on, and the ways in which each fails. `up` is none. */
export const faultsOf = {
  KV: ["down", "slow", "corrupt", "full", "rate-limited"],
  "tag index": ["down", "hanging"],
  "breaker object": ["down"],
  D1: ["down", "hanging"],
} as const;
export type Part = keyof typeof faultsOf;
export type Faults = Partial<Record<Part, string>>;

/** Bindings whose parts fail as scripted, from one moment to the next. */
export function faultyBindings(
  real: Pick<ApiEnv, "CACHE" | "CACHE_TAG_INDEX" | "CIRCUIT_BREAKER" | "DB">,
  faults: () => Faults,
) {
  const neverSettles = (): Promise<never> => new Promise(() => undefined);
  const refuse = (message: string): Promise<never> => Promise.reject(new Error(message));

  const kv = async (
    verb: "GET" | "PUT" | "DELETE",
    call: () => Promise<unknown>,
  ): Promise<unknown> => {
    switch (faults().KV) {
      case "down":
        return await refuse(`KV ${verb} failed: 500 Internal Server Error`);
      case "slow":
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        return await call();
      case "corrupt":
        return verb === "GET" ? "{" : await call();
      case "full":
        return verb === "PUT"
          ? await refuse("KV PUT failed: 507 Insufficient Storage")
          : await call();
      case "rate-limited":
        return verb === "PUT" ? await refuse("KV PUT failed: 429 Too Many Requests") : await call();
      case undefined:
      default:
        return await call();
    }
  };
  const CACHE = {
    get: (key: string) => kv("GET", () => real.CACHE.get(key, "text")),
    put: (key: string, value: ArrayBuffer, options: KVNamespacePutOptions) =>
      kv("PUT", () => real.CACHE.put(key, value, options)),
    delete: (key: string) => kv("DELETE", () => real.CACHE.delete(key)),
  } as unknown as KVNamespace;

  const object = (part: Part, stub: object): unknown =>
    new Proxy(stub, {
      get: (target, name) => (request: unknown) => {
        if (faults()[part] === "down") return refuse("Durable Object is overloaded.");
        if (faults()[part] === "hanging") return neverSettles();
        return (target as Record<string | symbol, (request: unknown) => unknown>)[name]?.(request);
      },
    });
  const namespace = (part: Part, binding: { getByName: (name: string) => object }): object => ({
    getByName: (name: string) => object(part, binding.getByName(name)),
  });

  const statement = (answer: () => Promise<never>): D1PreparedStatement => {
    const made = { bind: () => made, first: answer, all: answer, run: answer };
    return made as unknown as D1PreparedStatement;
  };
  const database = (): D1Database => {
    const { D1 } = faults();
    if (D1 === undefined) return real.DB;
    const answer = D1 === "hanging" ? neverSettles : () => refuse("Network connection lost.");
    return { prepare: () => statement(answer), batch: answer } as unknown as D1Database;
  };
  const DB = {
    prepare: (sql: string) => database().prepare(sql),
    batch: (statements: D1PreparedStatement[]) => database().batch(statements),
  } as D1Database;

  return {
    CACHE,
    DB,
    CACHE_TAG_INDEX: namespace("tag index", real.CACHE_TAG_INDEX) as ApiEnv["CACHE_TAG_INDEX"],
    CIRCUIT_BREAKER: namespace("breaker object", real.CIRCUIT_BREAKER) as ApiEnv["CIRCUIT_BREAKER"],
  };
}
