import { ensureConsole } from "../../scripts/build-console.ts";

/**
 * What several tests need at once, and would make each for themselves: the console, without which
 * luna-api does not start.
 */
export async function setup(): Promise<void> {
  await ensureConsole();
}
