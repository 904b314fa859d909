import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { migrateLocally } from "../support/local-database.ts";
import { FOLDER, runbooks } from "../support/runbooks.ts";
import { flagsOf } from "../support/wrangler-commands.ts";

/** What the runbooks ask to type, held to the tools that are installed. */

const quiet = { ...process.env, WRANGLER_SEND_METRICS: "false", FORCE_COLOR: "0", CI: "1" };
const runFile = promisify(execFile);

it("restore-from-time-travel: its shell lines do on a local database what the page states", async () => {
  const state = mkdtempSync(join(tmpdir(), "luna-restore-"));
  const here = process.cwd();
  const shell = async (line: string): Promise<void> => {
    const local = line
      .replace("npx wrangler", join(here, "node_modules/.bin/wrangler"))
      .replace("--remote", `--local --persist-to ${state} -c ${here}/wrangler.api.toml`)
      .replaceAll(FOLDER, join(here, FOLDER));
    await runFile("sh", ["-ec", local], {
      cwd: state,
      env: { ...quiet, MOMENT: "2026-11-25T02:10:00Z" },
    });
  };
  const store = new DatabaseSync(await newLocalDatabase(state));
  const after = Date.parse("2026-11-25T02:10:01Z");
  store.exec(`INSERT INTO users (user_id, email, tier, api_key_hash, created_at, updated_at)
    VALUES ('o''neil', 'o@example.com', 'free', 'new', 0, ${after});
              INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address,
                subject, text, due_at, ring_after, created_at, updated_at)
              VALUES ('waits', 'admin', 0, 'queued', 'a@example.com', 'b@example.com', 'Hello',
                'Hi', 0, 0, 0, 0)`);
  const page = runbooks.find(({ name }) => name === "restore-from-time-travel");
  const lines =
    page?.shell.flatMap(({ line }) => (/d1 execute|^node/.test(line) ? [line] : [])) ?? [];
  expect(lines).toHaveLength(4);
  const [keep = "", makeRedo = "", redo = "", afterRestore = ""] = lines;
  await shell(keep);
  await shell(makeRedo);
  store.exec("UPDATE users SET api_key_hash = 'old'"); // Restored.
  await shell(redo);
  await shell(afterRestore);
  expect(store.prepare("SELECT api_key_hash AS hash FROM users").get()).toEqual({ hash: "new" });
  expect(store.prepare("SELECT status FROM emails").get()).toEqual({ status: "unknown" });
  expect(store.prepare("SELECT type FROM email_events").all()).toEqual([{ type: "unknown" }]);
});

/** @returns the file of a local D1 with the tables of today */
async function newLocalDatabase(state: string): Promise<string> {
  await migrateLocally(state, "wrangler.api.toml", quiet);
  const folder = join(state, "v3/d1");
  const file = readdirSync(folder, { recursive: true, encoding: "utf8" }).find(
    (name) => name.endsWith(".sqlite") && !name.includes("metadata"),
  );
  return join(folder, file ?? "");
}

describe("commands of wrangler", () => {
  const commands = runbooks.flatMap(({ shell }) =>
    shell.flatMap(({ line }) => /npx wrangler (.+)$/.exec(line)?.[1] ?? []),
  );

  it.each(commands)("takes %s", (command) => {
    const known = flagsOf(command);
    const flags = [...command.replace(/"[^"]*"/g, "").matchAll(/ --?([a-z][a-z-]*)/g)].map(
      ([, flag = ""]) => flag,
    );
    expect(known).not.toBeNull();
    expect(flags.filter((flag) => known?.has(flag) !== true)).toEqual([]);
  });
});
