import { ensureConsole } from "../../scripts/build-console.ts";

/** luna-api serves the console, and does not start without. */
export async function setup(): Promise<void> {
  await ensureConsole();
}
