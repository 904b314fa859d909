import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The result of a command of wrangler. `output`: stdout and stderr. */
type Answer = { ok: boolean; stdout: string; output: string };

/** wrangler from PATH, or the one of a test. */
export type Wrangler = {
  /** Runs a command that changes nothing, and returns its output. */
  read: (args: string[]) => Answer;
  /**
   * Runs a command.
   *
   * @returns the id of the version that it created, if any
   * @throws Error naming the command, with its output
   */
  run: (args: string[]) => string | null;
};

/** What a failed command of wrangler is reported as. */
export function wranglerFailure(args: string[], output: string): Error {
  return new Error(
    NOT_SIGNED_IN.test(output)
      ? "not signed in to Cloudflare. Run npx wrangler login, or set CLOUDFLARE_API_TOKEN. " +
          "See docs/reference/configuration.md"
      : `wrangler ${args.join(" ")} failed:\n${output.trim()}`,
  );
}

/** Of one command. */
const MAX_OUTPUT_BYTES = 16 * 1_024 * 1_024;
const NOT_SIGNED_IN =
  /Not logged in|Could not authenticate|necessary to set a CLOUDFLARE_API_TOKEN|token has expired/i;

/** @param verbose the output of `run` goes to the terminal */
export function wranglerAt(command: string[], env: NodeJS.ProcessEnv, verbose: boolean): Wrangler {
  const [program = "wrangler", ...first] = command;
  // Without a terminal on its stdin wrangler does not prompt.
  const settings = { ...env, WRANGLER_SEND_METRICS: "false" };
  return {
    read(args) {
      const done = spawnSync(program, [...first, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        encoding: "utf8",
        env: { ...settings, NO_COLOR: "1" },
      });
      if (done.error !== undefined) throw done.error;
      return { ok: done.status === 0, stdout: done.stdout, output: `${done.stdout}${done.stderr}` };
    },
    run(args) {
      const directory = mkdtempSync(join(tmpdir(), "luna-deploy-"));
      try {
        const file = join(directory, "output.ndjson");
        const done = spawnSync(program, [...first, ...args], {
          stdio: verbose ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
          maxBuffer: MAX_OUTPUT_BYTES,
          encoding: "utf8",
          env: { ...settings, WRANGLER_OUTPUT_FILE_PATH: file },
        });
        if (done.error !== undefined) throw done.error;
        const output = verbose ? "see above" : `${done.stdout}${done.stderr}`;
        if (done.status !== 0) throw wranglerFailure(args, output);
        return versionIn(existsSync(file) ? readFileSync(file, "utf8") : "");
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  };
}

/** wrangler records what it did, one JSON object per line. */
function versionIn(lines: string): string | null {
  const entries = lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { type?: string; version_id?: string | null });
  return (
    entries.find(({ type }) => type === "version-upload" || type === "deploy")?.version_id ?? null
  );
}
