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
   * Runs a command; its output goes to the terminal.
   *
   * @returns the id of the version that it created, if any
   * @throws Error naming the command
   */
  run: (args: string[]) => string | null;
};

export function wranglerAt(command: string[], env: NodeJS.ProcessEnv): Wrangler {
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
          stdio: ["ignore", "inherit", "inherit"],
          env: { ...settings, WRANGLER_OUTPUT_FILE_PATH: file },
        });
        if (done.error !== undefined) throw done.error;
        if (done.status !== 0) throw new Error(`wrangler ${args.join(" ")} failed`);
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
