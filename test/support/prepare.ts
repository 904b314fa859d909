import { ensureConsole } from "../../scripts/build-console.ts";

/**
 * Prints the seed, and makes what several tests need at once: the console, without which luna-api
 * does not start.
 */
export async function setup(): Promise<void> {
  process.stderr.write(`SEED=${process.env["SEED"]}\n`);
  await ensureConsole();
}
