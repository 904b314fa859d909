import { execFile } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { parse as parseToml } from "smol-toml";
import { afterAll, describe, expect, it } from "vitest";
import type { CronTask } from "../../workers/cron/task.ts";
import { codeBlocks, commandsIn, filesOn } from "../support/code-blocks.ts";
import { operationOf } from "../support/conformance.ts";
import { SqliteD1 } from "../support/sqlite.ts";
import { flagsOf } from "../support/wrangler-commands.ts";

/**
 * The pages that a newcomer follows. test/stack/storefront.test.ts type-checks and runs the Workers
 * on them, and the commands that call a running Luna.
 */

const guides = [
  "docs/quickstart.md",
  "docs/comparison.md",
  "docs/faq.md",
  ...globSync("docs/guides/*.md").toSorted(),
];

describe.each(guides)("%s", (page) => {
  const text = readFileSync(page, "utf8");

  it("has a summary of three lines, what one needs before, and a next step", () => {
    expect(text).toMatch(/^# .+\n\n(?:\S.*\n){3}\n\*\*Before you start:\*\* /);
    expect(text).toMatch(/\n## Next\n\n\[[^]*\]\(.+\)[^\n]*\n$/);
  });
});

describe("the README", () => {
  const lines = readFileSync("README.md", "utf8").split("\n");
  const worker = codeBlocks.find(({ page, file }) => page === "README.md" && file !== null);

  it("has 80 to 120 lines, and a Worker of twelve", () => {
    expect(lines.length).toBeGreaterThanOrEqual(80);
    expect(lines.length).toBeLessThanOrEqual(120);
    expect(worker?.text.trim().split("\n")).toHaveLength(12);
  });
});

/** How each command of the pages is tested, by the first pattern that it matches. */
const ways: readonly (readonly [RegExp, string])[] = [
  [/localhost:878[78]/, "request"],
  [/\bnpx wrangler (?!login)/, "wrangler"],
  [/\bnpm run (demo|deploy|smoke|example)\b/, "script"],
  [/\bnpm (start|test|ci)\b/, "test/process/start.test.ts, and every run of the tests"],
  [/^npx wrangler login$/, "needs a Cloudflare account"],
  [/\bnpm (pack|install|init)\b/, "projectWithTarball of test/support/installed.ts"],
  [/^(npx tsc|npx vitest run --project cron)/, "its files are type-checked below"],
  [/ "\$PING"$/, "test/stack/guides.ts, with the pingUrl of its heartbeat"],
  [/^(export |node send\.mjs)/, "test/stack/resend-sdk.test.ts"],
  [/^(TOKEN=|printf|rm |mkdir )/, "a command of the shell"],
];
const commands = codeBlocks
  .filter(({ language }) => language === "sh")
  .flatMap(({ page, text }) => commandsIn(text).map((command) => ({ page, command })));
const wayOf = (command: string): string | undefined =>
  ways.find(([pattern]) => pattern.test(command))?.[1];

describe("the commands", () => {
  it("are each tested in a way that this file names", () => {
    expect(commands.length).toBeGreaterThan(30);
    expect(commands.filter(({ command }) => wayOf(command) === undefined)).toEqual([]);
  });

  it.each(commands.filter(({ command }) => wayOf(command) === "wrangler"))(
    "the installed Wrangler takes: $command",
    ({ command }) => {
      const [, given = ""] = /npx wrangler (.+)$/.exec(command) ?? [];
      const flags = [...given.matchAll(/ --([a-z][a-z-]*)/g)].map(([, flag = ""]) => flag);
      expect(flagsOf(given)).not.toBeNull();
      expect(flags.filter((flag) => flagsOf(given)?.has(flag) !== true)).toEqual([]);
    },
  );

  it.each(commands.filter(({ command }) => wayOf(command) === "script"))(
    "the script takes: $command",
    ({ command }) => {
      const [, name = "", rest = ""] = /npm run (\w+)(?: -- (.*))?$/.exec(command) ?? [];
      const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as {
        scripts: Record<string, string>;
      };
      const [file = ""] = /scripts\/\w+\.ts/.exec(scripts[name] ?? "") ?? [];
      const source = readFileSync(file, "utf8");
      const options = [...rest.matchAll(/--([a-z][a-z-]*)/g)].map(([, option = ""]) => option);
      expect(options.filter((option) => !new RegExp(`\\b${option}"?:`).test(source))).toEqual([]);
    },
  );
});

/** test/stack/guides.ts runs the requests of the other pages, and compares the answers. */
const NOT_RUN = new Set(["docs/guides/add-a-task.md", "docs/guides/templates-and-brand.md"]);

it("requests that need a changed Luna are for operations that there are", () => {
  const requests = commands.filter(({ page }) => NOT_RUN.has(page));
  const unknown = requests.flatMap(({ command }) => {
    const [, path] = /localhost:8787(\/[^\s"']+)/.exec(command) ?? [];
    const method = / -X ([A-Z]+)/.exec(command)?.[1] ?? (/ -d /.test(command) ? "POST" : "GET");
    return path === undefined || operationOf(method, path) !== null ? [] : [command];
  });
  expect(unknown).toEqual([]);
});

describe("the files", () => {
  const blocks = codeBlocks.filter(({ file }) => file !== null);
  it("are parsed: JSON and TOML", () => {
    for (const { language, text } of blocks) {
      if (language === "json") JSON.parse(text);
      if (language === "toml") parseToml(text);
    }
    const languages = new Set(codeBlocks.map(({ language }) => language));
    expect([...languages].toSorted()).toEqual(["js", "json", "sh", "sql", "text", "toml", "ts"]);
  });

  it("has each block of TypeScript, TOML and SQL under a name, by which a test finds it", () => {
    const nameless = codeBlocks.filter(
      ({ language, file }) => ["ts", "toml", "sql"].includes(language) && file === null,
    );
    expect(nameless).toEqual([]);
  });
});

describe("files that a guide adds to the checkout", () => {
  const added = ["add-a-task", "templates-and-brand"].flatMap((page) => [...filesOn(page)]);
  // Inside the checkout, so that packages are found.
  mkdirSync("dist", { recursive: true });
  const folder = resolve(mkdtempSync("dist/guides-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("type-check as if they were in it", async () => {
    for (const [file, text] of added) write(join(folder, file), text);
    const config = {
      extends: resolve("tsconfig.json"),
      compilerOptions: { rootDirs: [folder, resolve(".")] },
      include: [`${folder}/**/*.ts`, resolve("test/support/env.d.ts")],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = promisify(execFile)("node_modules/.bin/tsc", ["-p", folder]);
    expect(
      await tsc.then(
        () => "",
        ({ stdout }: { stdout: string }) => stdout,
      ),
    ).toBe("");
  });

  /** Imports an added file from where it lies here. */
  async function load(file: string): Promise<Record<string, unknown>> {
    const text = new Map(added).get(file) ?? "";
    const from = resolve(dirname(file));
    const absolute = text.replaceAll(
      /from "(\.[^"]+)"/g,
      (_, to: string) => `from "${join(from, to)}"`,
    );
    const target = join(folder, "run", file);
    write(target, absolute);
    return (await import(target)) as Record<string, unknown>;
  }

  it("the task counts what the guide states", async () => {
    const { countSignUps } = await load("workers/cron/tasks/count-sign-ups.ts");
    const DB = new SqliteD1().binding(() => undefined);
    const insert = DB.prepare(
      `INSERT INTO users (user_id, email, tier, api_key_hash, created_at, updated_at)
       VALUES (?1, ?1, 'free', ?1, ?2, 0)`,
    );
    await DB.batch([insert.bind("new", Date.now()), insert.bind("old", 0)]);
    const { signal } = new AbortController();
    const run = (countSignUps as CronTask).run({ context: { DB }, signal } as never);
    expect(await run).toEqual({ users: 1 });
  });

  it("the template renders its example, and escapes what it is given", async () => {
    const { orderShipped } = await load("shared/email/templates/order-shipped.ts");
    const { renderTemplate } = await import("../../shared/email/templates/render.ts");
    const { brandOf } = await import("../../shared/email/brand.ts");
    const rendered = renderTemplate(
      orderShipped as never,
      { order: "<7>", carrier: "Post" },
      brandOf({ PRODUCT_FOOTER: "Acme Ltd" }),
    );
    for (const part of [rendered.html, rendered.text]) expect(part).toContain("Acme Ltd");
    expect(rendered.subject).toBe("Order <7> is on its way");
    expect(rendered.html).toContain("Post has order &lt;7&gt;.");
    expect(rendered.text).toContain("Post has order <7>.");
  });
});

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
