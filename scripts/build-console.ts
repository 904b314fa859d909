import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { putInPlace } from "./put-in-place.ts";
import { writeRunbookPages } from "./runbook-pages.ts";

/**
 * Builds the console into the static assets that `wrangler.api.toml` names. It takes about a
 * second.
 */

const SOURCE = "workers/api/console";
const RUNBOOKS = "docs/runbooks";
/** As `wrangler.api.toml` has it. */
const ASSETS = "dist/console";
/** Of all that a browser loads, compressed. */
const MAX_GZIP_BYTES = 100 * 1_024;

/** What the console is made of, besides its own folder. */
const INGREDIENTS = [
  "shared/contract/client/request.ts",
  "package-lock.json",
  "scripts/build-console.ts",
  "scripts/runbook-pages.ts",
];

/** Builds it unless it is there already, newer than all that it is made of. */
export async function ensureConsole(): Promise<void> {
  const built = join(ASSETS, "console/index.html");
  const sources = [SOURCE, RUNBOOKS].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  const newestMs = Math.max(...[...sources, ...INGREDIENTS].map((file) => statSync(file).mtimeMs));
  if (!existsSync(built) || statSync(built).mtimeMs < newestMs) await buildConsole();
}

/**
 * It is built in another folder, so that a running server never serves half of it.
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
  copyFileSync(join(SOURCE, "runbook.css"), join(aside, "console/runbook.css"));
  copyFileSync(join(SOURCE, "_headers"), join(aside, "_headers"));
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
  const { gzipBytes } = await buildConsole();
  process.stdout.write(
    `console: ${(gzipBytes / 1_024).toFixed(1)} KiB gzip of at most ${MAX_GZIP_BYTES / 1_024}\n`,
  );
}
