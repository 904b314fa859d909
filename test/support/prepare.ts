import { ensureConsole } from "../../scripts/build-console.ts";
import { DEV_VARS, ensureAdminToken } from "../../scripts/settings.ts";

/**
 * What several tests need at once, and would make each for themselves: the console, without which
 * luna-api does not start, and a token.
 */
export async function setup(): Promise<void> {
  ensureAdminToken(DEV_VARS);
  await ensureConsole();
}
