import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getPlatformProxy } from "wrangler";
import { within } from "../../shared/lib/base/deadline.ts";
import { registryVariable, type StartSettings } from "../settings.ts";

const SEND_TIMEOUT_MS = 20_000;

/**
 * Sends a message to the queue of the local run through a producer's binding, as any Worker of the
 * account can.
 */
export async function putOnQueue(settings: StartSettings, body: unknown): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "luna-producer-"));
  const configPath = join(directory, "wrangler.json");
  const queues = { producers: [{ binding: "EMAIL_QUEUE", queue: "luna-email" }] };
  writeFileSync(
    configPath,
    JSON.stringify({ name: "luna-demo-producer", compatibility_date: "2026-11-01", queues }),
  );
  // Wrangler reads it only from the environment.
  Object.assign(process.env, { ...registryVariable(settings), WRANGLER_SEND_METRICS: "false" });
  const proxy = await getPlatformProxy<{ EMAIL_QUEUE: Queue }>({
    configPath,
    persist: false,
    remoteBindings: false,
  });
  try {
    await within(SEND_TIMEOUT_MS, proxy.env.EMAIL_QUEUE.send(body));
  } finally {
    await proxy.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}
