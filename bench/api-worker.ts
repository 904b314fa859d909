import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { createTestHarness } from "wrangler";
import { unlimited } from "../scripts/local-configs.ts";

export const ADMIN_TOKEN = "bench-admin-token-0123456789abcdef";

/**
 * Starts a Worker under the configuration of luna-api, with a migrated D1, for as long as `use`
 * takes.
 */
export async function withApiWorker<Value>(
  main: string,
  use: (url: URL, db: D1Database) => Promise<Value>,
): Promise<Value> {
  const server = createTestHarness();
  // What the local runtime does for each binding is no part of this; the Worker that it binds does
  // not run here.
  const { services: _, ...config } = unlimited(parse(readFileSync("wrangler.api.toml", "utf8")));
  const secrets = { ADMIN_TOKEN, SMTP_HOST: "127.0.0.1", SMTP_PORT: "9", SMTP_SECURITY: "none" };
  await server.update({ workers: [{ config: { ...config, main }, secrets }] });
  try {
    const { url } = await server.listen();
    const api = server.getWorker<{ DB: D1Database }>("luna-api");
    await api.applyD1Migrations("DB");
    return await use(url, (await api.getEnv()).DB);
  } finally {
    await server.close();
  }
}
