import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { median, ratios, type Ratio } from "./measure.ts";

/**
 * What is uploaded of each Worker, and the CPU that it takes until the first request can come,
 * beside a Worker that does nothing.
 */

const ROUNDS = 5;
/** https://developers.cloudflare.com/workers/platform/limits/#worker-startup-time */
const ALLOWED_MS = 1_000;

type Profile = {
  nodes: { id: number; callFrame: { functionName: string } }[];
  samples: number[];
  timeDeltas: number[];
};

export async function bundleRows(): Promise<Ratio[]> {
  const directory = mkdtempSync(join(tmpdir(), "luna-bundles-"));
  try {
    const bare = join(directory, "wrangler.toml");
    writeFileSync(
      bare,
      [
        'name = "bare"',
        `main = ${JSON.stringify(resolve("bench/workers/empty.ts"))}`,
        'compatibility_date = "2026-11-01"',
        "",
      ].join("\n"),
    );
    const workers: [string, string][] = [
      ["bare Worker", bare],
      ...["api", "consumer", "cron"].map((name): [string, string] => [
        `luna-${name}`,
        resolve(`wrangler.${name}.toml`),
      ]),
    ];
    const measured: { name: string; gzipKib: number; startMs: number }[] = [];
    for (const [name, config] of workers)
      measured.push({ name, ...(await measure(config, join(directory, name))) });
    const of = (what: "gzipKib" | "startMs") =>
      Object.fromEntries(measured.map((worker) => [worker.name, worker[what]]));
    return [
      ...ratios("bundle, gzip", "KiB", "bare Worker", of("gzipKib")),
      ...ratios("start-up, CPU", "ms", "allowed", { allowed: ALLOWED_MS, ...of("startMs") }),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(
  config: string,
  directory: string,
): Promise<{ gzipKib: number; startMs: number }> {
  await wrangler("deploy", "--dry-run", "-c", config, "--outdir", directory);
  const bundle = config.endsWith("/wrangler.toml") ? "empty.js" : "index.js";
  const gzipKib = gzipSync(readFileSync(join(directory, bundle))).byteLength / 1_024;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const outfile = join(directory, "start.cpuprofile");
    await wrangler("check", "startup", `--args=-c ${config}`, "--outfile", outfile);
    times.push(activeMs(JSON.parse(readFileSync(outfile, "utf8")) as Profile));
  }
  return { gzipKib, startMs: median(times) };
}

const NOT_THE_WORKER = new Set(["(idle)", "(program)"]);

function activeMs({ nodes, samples, timeDeltas }: Profile): number {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const us = samples.reduce(
    (sum, id, n) => (NOT_THE_WORKER.has(names.get(id) ?? "") ? sum : sum + (timeDeltas[n] ?? 0)),
    0,
  );
  return us / 1_000;
}

async function wrangler(...args: string[]): Promise<void> {
  await promisify(execFile)("wrangler", args, {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
}
