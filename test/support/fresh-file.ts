import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inject, vi } from "vitest";
import { emptyStorage } from "./fresh-storage.ts";

/**
 * The files of a project share isolates, because most of what a file costs is to start one. So each
 * begins with empty storage, with modules of its own, and without the timers of the file before,
 * such as the one of a report of its counts.
 */

type Shared = typeof globalThis & { files?: number; platformTimer?: typeof setTimeout };

const shared = globalThis as Shared;
const file = (shared.files ?? 0) + 1;
shared.files = file;
const platformTimer = (shared.platformTimer ??= shared.setTimeout);

function setTimeoutOfFile(callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) {
  const unlessOver = (): void => {
    if (shared.files === file) callback(...args);
  };
  return platformTimer(unlessOver, ms);
}
shared.setTimeout = setTimeoutOfFile as typeof setTimeout;

await emptyStorage();
vi.resetModules();
await applyD1Migrations(env.DB, inject("migrations"));
