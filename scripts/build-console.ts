import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { commandLine } from "./command-line.ts";
import { putInPlace } from "./put-in-place.ts";

/**
 * Builds the console into the static assets that `wrangler.api.toml` names. It takes about a
 * second.
 */

const SOURCE = "workers/api/console";
const RUNBOOKS = "docs/operate/runbooks";
/** As `wrangler.api.toml` has it. */
const ASSETS = "dist/console";
/** Of all that a browser loads, compressed. */
const MAX_GZIP_BYTES = 128 * 1_024;

/** What the console is made of, besides its own folder. */
const INGREDIENTS = [
  "shared/accounts/rules/key-scopes.ts",
  "shared/contract/client/request.ts",
  "shared/contract/scopes.ts",
  "package-lock.json",
  "scripts/build-console.ts",
  "scripts/runbook-pages.ts",
];

/** Whether it is built, and newer than all that it is made of. */
export function isConsoleCurrent(): boolean {
  const built = join(ASSETS, "console/index.html");
  const sources = [SOURCE, RUNBOOKS].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  const newestMs = Math.max(...[...sources, ...INGREDIENTS].map((file) => statSync(file).mtimeMs));
  return existsSync(built) && statSync(built).mtimeMs >= newestMs;
}

/** Builds it, unless it is current. */
export async function ensureConsole(): Promise<void> {
  if (!isConsoleCurrent()) await buildConsole();
}

/**
 * It is built in another folder, so that a running server never serves one half.
 *
 * @throws Error if it does not build, or is too large
 */
export async function buildConsole(): Promise<{ gzipBytes: number }> {
  const aside = `${ASSETS}.${process.pid}`;
  try {
    const gzipBytes = await buildInto(aside);
    putInPlace(aside, ASSETS);
    return { gzipBytes };
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

async function buildInto(aside: string): Promise<number> {
  // Half a second to load, which a start with a current console does not need.
  const { build, transformWithOxc } = await import("vite");
  const { writeRunbookPages } = await import("./runbook-pages.ts");
  await build({
    root: SOURCE,
    configFile: false,
    base: "./",
    logLevel: "error",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      outDir: join("../../..", aside, "console"),
      emptyOutDir: true,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  });
  writeRunbookPages(RUNBOOKS, join(aside, "console/runbooks"));
  for (const file of ["runbook.css", "moon.svg", "email.html"])
    copyFileSync(join(SOURCE, file), join(aside, "console", file));
  for (const name of ["runbook", "email-host"]) {
    const script = join(SOURCE, `${name}.ts`);
    const { code } = await transformWithOxc(readFileSync(script, "utf8"), script);
    writeFileSync(join(aside, `console/${name}.js`), code);
  }
  for (const file of ["_headers", "_redirects"])
    copyFileSync(join(SOURCE, file), join(aside, file));
  const gzipBytes = readdirSync(join(aside, "console"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, { parentPath, name }) =>
        sum + gzipSync(readFileSync(join(parentPath, name))).byteLength,
      0,
    );
  if (gzipBytes > MAX_GZIP_BYTES)
    throw new Error(`the console has ${gzipBytes} bytes gzip, more than ${MAX_GZIP_BYTES}`);
  return gzipBytes;
}

if (import.meta.main) {
  const { values } = commandLine({
    name: "build:console",
    about: `Builds the console into ${ASSETS}, and checks its size.`,
    options: {
      changed: { type: "boolean", about: "only if it is older than its sources", default: false },
    },
  });
  if (values.changed && isConsoleCurrent()) process.exit(0);
  const { gzipBytes } = await buildConsole();
  process.stdout.write(
    `console: ${(gzipBytes / 1_024).toFixed(1)} KiB gzip of at most ${MAX_GZIP_BYTES / 1_024}\n`,
  );
}
