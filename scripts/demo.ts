/** A guided tour of a running `npm start`: `npm run demo`. */
import { listCircuitBreakers } from "../shared/contract/circuit-breakers.ts";
import { getHealth } from "../shared/contract/system.ts";
import { commandLine, reportFailure } from "./command-line.ts";
import { cachedReads } from "./demo/chapters/cached-reads.ts";
import { countEmails } from "./demo/chapters/count.ts";
import { databaseDown } from "./demo/chapters/database.ts";
import { failingTask } from "./demo/chapters/failing-task.ts";
import { kvDown } from "./demo/chapters/kv.ts";
import { poisonMessage } from "./demo/chapters/poison-message.ts";
import { providerDies } from "./demo/chapters/provider.ts";
import { signedUp } from "./demo/chapters/sign-up.ts";
import { prepare } from "./demo/prepare.ts";
import { expectThat, type Stage } from "./demo/stage.ts";
import { until } from "./demo/until.ts";
import { elapsedText, Narrator } from "./narrator.ts";
import { startSettings } from "./settings.ts";

const INTERRUPTED = "interrupted";
const LEARNED_WITHIN_MS = 15_000;

commandLine({
  name: "demo",
  about:
    "A guided tour of a running npm start: breaks it for real, and shows how it recovers. It " +
    "restores what it broke, also after Ctrl-C.",
  variables: { "PORT, MAILBOX_PORT, STATE_DIR": "as npm start has them" },
});

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => interrupt.abort(new Error(INTERRUPTED)));

/** @returns the counts, for the last line */
async function tour(stage: Stage): Promise<string> {
  const userId = await signedUp(stage);
  await cachedReads(stage, userId);
  const { probes } = await providerDies(stage);
  await poisonMessage(stage);
  const { alerts } = await failingTask(stage, userId);
  const { asked, answered } = await kvDown(stage, userId);
  await databaseDown(stage, userId);
  const { accepted, sent, arrived, twice } = await countEmails(stage);
  return [
    `${accepted} emails accepted, ${sent} sent, ${arrived} arrived, ${twice} twice`,
    `${probes} ${probes === 1 ? "probe" : "probes"}`,
    `${alerts} alert emails`,
    `${asked} reads while KV failed, ${answered} answered`,
  ].join("; ");
}

async function openBreakers(stage: Stage): Promise<string[]> {
  const { body } = await stage.call(listCircuitBreakers);
  return body.items
    .filter(({ state }) => state !== "CLOSED")
    .map(({ name, state }) => `${name} is ${state}`);
}

/** What luna-api reports about them: its snapshot may be a few seconds old. */
async function openInHealth(stage: Stage): Promise<string[]> {
  const { body } = await stage.call(getHealth);
  return Object.entries(body.checks.breakers.states).flatMap(([name, state]) =>
    state === "CLOSED" ? [] : [`${name} was ${state}`],
  );
}

async function leave(stage: Stage): Promise<void> {
  const { narrator } = stage;
  narrator.chapter("Clean up");
  await narrator.step("everything works again, and the users of the tour are deleted", async () => {
    const left = await stage.cleanUp();
    expectThat(left.length === 0, left.join("; "));
  });
  await narrator.step(
    "every circuit breaker is closed, and luna-api reports it",
    async (waitFor) => {
      // This also runs after a tour that was interrupted.
      await until(
        "/health without an open breaker",
        LEARNED_WITHIN_MS,
        new AbortController().signal,
        async () => {
          const open = [...(await openBreakers(stage)), ...(await openInHealth(stage))];
          waitFor(open.join(", "));
          return open.length === 0 ? true : null;
        },
      );
    },
  );
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const narrator = new Narrator(process.stdout, () => performance.now());
  const stage = await prepare(startSettings(process.env), narrator, interrupt.signal);
  const wrong: string[] = [];
  const note = (error: unknown): null => {
    wrong.push(error instanceof Error ? error.message : String(error));
    return null;
  };
  const numbers = await tour(stage).catch(note);
  await leave(stage).catch(note);
  const took = elapsedText(performance.now() - startedAt);
  if (interrupt.signal.aborted) {
    const others = wrong.filter((one) => !one.startsWith(INTERRUPTED));
    narrator.line(
      `\nInterrupted after ${took}. ${others.join("; ") || "Everything was restored."}`,
    );
    return 130;
  }
  if (wrong.length > 0) {
    narrator.line(`\nThe tour failed after ${took}: ${wrong.join("; ")}`);
    return 1;
  }
  narrator.line(`\nAll ${narrator.held} checks passed in ${took}: ${numbers ?? ""}`);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    reportFailure(error);
    process.exit(1);
  },
);
