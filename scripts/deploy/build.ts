import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Wrangler } from "./wrangler.ts";

/** Limits keep start-up fast and are part of CI. */
const maxGzipKib = { api: 400, consumer: 450, cron: 220 };

/**
 * Builds the console, which is part of `luna-api`, and the three Workers.
 *
 * @param configs further configurations, such as that of the first deployment
 * @throws Error if something does not build or is too large
 */
export function build(
  wrangler: Wrangler,
  print: (line: string) => void,
  configs: string[] = [],
): void {
  const console = spawnSync("npm", ["run", "--silent", "build:console"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (console.status !== 0) throw new Error("npm run build:console failed");
  const sizes = Object.entries(maxGzipKib).map(([name, limit]) => {
    const directory = `dist/${name}`;
    wrangler.run(["deploy", "--dry-run", "-c", `wrangler.${name}.toml`, "--outdir", directory]);
    return {
      name,
      limit,
      gzipKib: gzipSync(readFileSync(`${directory}/index.js`)).byteLength / 1_024,
    };
  });
  for (const config of configs)
    wrangler.run(["deploy", "--dry-run", "-c", config, "--outdir", "dist/generated"]);
  for (const { name, gzipKib, limit } of sizes)
    print(`luna-${name}: ${gzipKib.toFixed(1)} KiB gzip of at most ${limit}`);
  const tooLarge = sizes.filter(({ gzipKib, limit }) => gzipKib >= limit);
  if (tooLarge.length > 0)
    throw new Error(`too large: ${tooLarge.map(({ name }) => name).join(", ")}`);
}
