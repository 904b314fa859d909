/**
 * Deploys the three Workers to Cloudflare: `npm run deploy`, the very first time `npm run deploy -- --first`, or
 * `npm run deploy -- --dry-run` to build them offline and check their sizes. What a deployment needs stands in docs/operations.md.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { buildConsole } from "./build-console.ts";
import { writeFirstApiConfig } from "./local-configs.ts";

/** In the order of deployment: `luna-api` hosts the objects that the others call. Limits keep start-up fast and are part of CI. */
const WORKERS = [
  { name: "api", maxGzipKib: 150 },
  { name: "consumer", maxGzipKib: 400 },
  { name: "cron", maxGzipKib: 100 },
];

function wrangler(args: string[]): void {
  const done = spawnSync("wrangler", args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  if (done.status !== 0) throw new Error(`wrangler ${args.join(" ")} failed`);
}

async function dryRun(): Promise<void> {
  const { gzipBytes } = await buildConsole();
  const sizes = WORKERS.map(({ name, maxGzipKib }) => {
    const directory = `dist/${name}`;
    wrangler(["deploy", "--dry-run", "-c", `wrangler.${name}.toml`, "--outdir", directory]);
    const gzipKib = gzipSync(readFileSync(`${directory}/index.js`)).byteLength / 1_024;
    return { name, gzipKib, maxGzipKib };
  });
  wrangler(["deploy", "--dry-run", "-c", writeFirstApiConfig("dist/first"), "--outdir", "dist/first"]);
  for (const { name, gzipKib, maxGzipKib } of sizes) {
    process.stdout.write(`luna-${name}: ${gzipKib.toFixed(1)} KiB gzip of at most ${maxGzipKib}\n`);
  }
  process.stdout.write(`console: ${(gzipBytes / 1_024).toFixed(1)} KiB gzip in all\n`);
  const tooLarge = sizes.filter(({ gzipKib, maxGzipKib }) => gzipKib >= maxGzipKib);
  if (tooLarge.length > 0) throw new Error(`too large: ${tooLarge.map(({ name }) => name).join(", ")}`);
}

/** @param first `luna-api` binds `luna-cron`, which is not there yet: it goes up without that, and once more when it is */
async function deploy(first: boolean): Promise<void> {
  await buildConsole();
  wrangler(["d1", "migrations", "apply", "DB", "--remote", "-c", "wrangler.api.toml"]);
  const configs = WORKERS.map(({ name }) => `wrangler.${name}.toml`);
  const ordered = first ? [writeFirstApiConfig("dist/first"), ...configs.slice(1), ...configs.slice(0, 1)] : configs;
  for (const config of ordered) wrangler(["deploy", "-c", config]);
}

try {
  const { values } = parseArgs({ options: { "dry-run": { type: "boolean" }, first: { type: "boolean" } } });
  if (values["dry-run"]) await dryRun();
  else await deploy(values.first === true);
} catch (error) {
  process.stderr.write(`luna: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
