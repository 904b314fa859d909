import { isListening } from "./ports.ts";
import { DEV_VARS, readDevVars, type StartSettings } from "./settings.ts";

/**
 * The running `npm start` that a command is to work with.
 *
 * @throws Error with what to do, if there is none
 */
export async function runningLuna({
  port,
}: StartSettings): Promise<{ url: string; token: string }> {
  const url = `http://localhost:${port}`;
  if (!(await isListening(port))) {
    throw new Error(
      [
        `nothing answers at ${url}. Run npm start in another terminal first;`,
        "if it has a PORT, set the same here",
      ].join(" "),
    );
  }
  const token = readDevVars(DEV_VARS)["ADMIN_TOKEN"];
  if (!token)
    throw new Error(`${DEV_VARS} has no ADMIN_TOKEN. Run this in the directory of npm start`);
  return { url, token };
}
