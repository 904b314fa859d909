/**
 * Deploys the three Workers to Cloudflare: `npm run deploy`, or `npm run deploy -- --dry-run` to build them offline and check
 * their sizes. What a deployment needs first stands in docs/operations.md.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** In the order of deployment: `luna-api` binds `luna-cron`, so that one comes first. Limits keep start-up fast and are part of CI. */
const WORKERS = [
  { name: "consumer", maxGzipKib: 400 },
  { name: "cron", maxGzipKib: 100 },
  { name: "api", maxGzipKib: 100 },
];

function wrangler(args: string[]): void {
  const done = spawnSync("wrangler", args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  if (done.status !== 0) throw new Error(`wrangler ${args.join(" ")} failed`);
}

function dryRun(): void {
  const sizes = WORKERS.map(({ name, maxGzipKib }) => {
    const directory = `dist/${name}`;
    wrangler(["deploy", "--dry-run", "-c", `wrangler.${name}.toml`, "--outdir", directory]);
    const gzipKib = gzipSync(readFileSync(`${directory}/index.js`)).byteLength / 1_024;
    return { name, gzipKib, maxGzipKib };
  });
  for (const { name, gzipKib, maxGzipKib } of sizes) {
    process.stdout.write(`luna-${name}: ${gzipKib.toFixed(1)} KiB gzip of at most ${maxGzipKib}\n`);
  }
  const tooLarge = sizes.filter(({ gzipKib, maxGzipKib }) => gzipKib >= maxGzipKib);
  if (tooLarge.length > 0) throw new Error(`too large: ${tooLarge.map(({ name }) => name).join(", ")}`);
}

function deploy(): void {
  wrangler(["d1", "migrations", "apply", "DB", "--remote", "-c", "wrangler.api.toml"]);
  for (const { name } of WORKERS) wrangler(["deploy", "-c", `wrangler.${name}.toml`]);
}

try {
  const unknown = process.argv.slice(2).filter((argument) => argument !== "--dry-run");
  if (unknown.length > 0) throw new Error(`unknown argument ${unknown.join(" ")}; there is only --dry-run`);
  if (process.argv.includes("--dry-run")) dryRun();
  else deploy();
} catch (error) {
  process.stderr.write(`luna: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
