/** Checks a deployment from outside: `npm run smoke -- <url>`. */
import { randomBytes } from "node:crypto";
import { commandLine, reportFailure } from "./command-line.ts";
import { elapsedText, Narrator } from "./narrator.ts";
import { operatorChecks } from "./smoke/operator-checks.ts";
import { publicChecks } from "./smoke/public-checks.ts";
import { Target, type Check } from "./smoke/target.ts";
import { emailCheck, taskCheck, writeChecks } from "./smoke/write-checks.ts";

const { values, positionals } = commandLine({
  name: "smoke",
  about: "Checks a deployment from outside. With a token it also reads as an operator.",
  positionals: { name: "<url>", about: "of luna-api, such as https://api.example.com" },
  options: {
    token: {
      type: "string",
      value: "<token>",
      about: "of an operator; LUNA_TOKEN hides it better",
    },
    write: { type: "boolean", about: "also signs up a user and deletes them", default: false },
    "mail-to": { type: "string", value: "<address>", about: "also sends an email there" },
    "run-task": { type: "boolean", about: "also runs a task", default: false },
  },
  variables: {
    LUNA_TOKEN: "the token, which other users of the machine cannot see here",
    LUNA_VERSION_OVERRIDES:
      "versions that must answer, as in the header Cloudflare-Workers-Version-Overrides",
  },
});

function checksFor({
  token,
  write,
  mailTo,
  runsTask,
}: {
  token: string | null;
  write: boolean;
  mailTo: string | undefined;
  runsTask: boolean;
}): Check[] {
  if (token === null && (write || runsTask || mailTo !== undefined))
    throw new Error("--write, --mail-to and --run-task need a token: --token, or LUNA_TOKEN");
  const tag = randomBytes(4).toString("hex");
  return [
    ...publicChecks,
    ...(token === null ? [] : operatorChecks),
    ...(runsTask ? [taskCheck] : []),
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
  const took = elapsedText(performance.now() - startedAt);
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
  const [url = ""] = positionals;
  if (positionals.length !== 1 || !/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    throw new Error("which deployment? npm run smoke -- <url>, see --help");
  const token = values.token ?? (process.env["LUNA_TOKEN"] || null);
  const versions = process.env["LUNA_VERSION_OVERRIDES"] || null;
  const checks = checksFor({
    token,
    write: values.write,
    mailTo: values["mail-to"],
    runsTask: values["run-task"],
  });
  process.exitCode = (await run(new Target({ url, token, versions }), checks)) > 0 ? 1 : 0;
} catch (error) {
  reportFailure(error);
}
