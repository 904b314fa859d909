import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a command of wrangler answered. `output`: all that it said. */
type Answer = { ok: boolean; stdout: string; output: string };

/** wrangler, as it is on PATH or wherever a test puts another. */
export type Wrangler = {
  /** Asks something; what it says is for us. */
  read: (args: string[]) => Answer;
  /**
   * Does something; what it says is for whoever watches.
   *
   * @returns the id of the version that it made, if it made one
   * @throws Error naming the command
   */
  run: (args: string[]) => string | null;
};

export function wranglerAt(command: string[], env: NodeJS.ProcessEnv): Wrangler {
  const [program = "wrangler", ...first] = command;
  // Without a terminal on its stdin wrangler asks nothing and goes on.
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

/** wrangler writes down what it has done, one JSON object a line. */
function versionIn(lines: string): string | null {
  const entries = lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { type?: string; version_id?: string | null });
  return (
    entries.find(({ type }) => type === "version-upload" || type === "deploy")?.version_id ?? null
  );
}
