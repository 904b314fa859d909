/**
 * Checks a deployment from outside: `npm run smoke -- <url>`. The token may also be in
 * LUNA_TOKEN, which other users of the machine cannot see. LUNA_VERSION_OVERRIDES pins every
 * request to versions, in the format of the header `Cloudflare-Workers-Version-Overrides`.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { durationText, Narrator } from "./narrator.ts";
import { operatorChecks } from "./smoke/operator-checks.ts";
import { publicChecks } from "./smoke/public-checks.ts";
import { Target, type Check } from "./smoke/target.ts";
import { emailCheck, writeChecks } from "./smoke/write-checks.ts";

const USAGE = "npm run smoke -- <url> [--token <token>] [--write] [--mail-to <address>]";

function checksFor({
  token,
  write,
  mailTo,
}: {
  token: string | null;
  write: boolean;
  mailTo: string | undefined;
}): Check[] {
  if (token === null && (write || mailTo !== undefined))
    throw new Error("--write and --mail-to need a token: --token, or LUNA_TOKEN");
  const tag = randomBytes(4).toString("hex");
  return [
    ...publicChecks,
    ...(token === null ? [] : operatorChecks),
    ...(write ? writeChecks(tag) : []),
    ...(mailTo === undefined ? [] : [emailCheck(tag, mailTo)]),
  ];
}

/**
 * Runs every check even if one fails, unless nothing answers.
 *
 * @returns the number of failed checks
 */
async function run(target: Target, checks: Check[]): Promise<number> {
  const startedAt = performance.now();
  const narrator = new Narrator(process.stdout, () => performance.now());
  let failed = 0;
  for (const { name, run: check } of checks) {
    try {
      await narrator.step(
        name,
        () => check(target),
        (note) => note,
      );
    } catch (error) {
      failed += 1;
      narrator.line(`    ${reasonOf(error)}`);
      if (!target.hasAnswered) {
        narrator.line(`\nnothing answers at ${target.url}: the other checks were skipped`);
        return failed;
      }
    }
  }
  const took = durationText(performance.now() - startedAt);
  narrator.line(
    failed === 0
      ? `\n${checks.length} checks passed, in ${took}`
      : `\n${failed} of ${checks.length} checks failed, in ${took}`,
  );
  return failed;
}

/** The message of a failed fetch does not have the reason; its cause does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const why = cause?.code ?? cause?.message;
  return why === undefined ? error.message : `${error.message}: ${why}`;
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      token: { type: "string" },
      write: { type: "boolean", default: false },
      "mail-to": { type: "string" },
    },
  });
  const [url = ""] = positionals;
  if (positionals.length !== 1 || !/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    throw new Error(`which deployment? ${USAGE}`);
  const token = values.token ?? (process.env["LUNA_TOKEN"] || null);
  const versions = process.env["LUNA_VERSION_OVERRIDES"] || null;
  const checks = checksFor({ token, write: values.write, mailTo: values["mail-to"] });
  process.exitCode = (await run(new Target({ url, token, versions }), checks)) > 0 ? 1 : 0;
} catch (error) {
  process.stderr.write(`luna: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
