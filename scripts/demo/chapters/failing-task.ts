import { listAlerts } from "../../../shared/contract/alerts.ts";
import { runTask, tick } from "../../../shared/contract/scheduled-tasks.ts";
import { getHealth } from "../../../shared/contract/system.ts";
import { getUser, updateUser } from "../../../shared/contract/users.ts";
import { lockStore } from "../break.ts";
import type { Arrived } from "../inbox.ts";
import { expectThat, type Stage } from "../stage.ts";

const TASK = "deliver-purges";
const RUNS = 3;
/** A writer tries to deliver its purge itself for less than this. */
const OWN_DELIVERY_SECONDS = 11;
const WITHIN_MS = 30_000;

const ALERT = `Alert: the task ${TASK} failed`;
const RECOVERY = `Recovered: the task ${TASK} failed`;

/**
 * The tag index dies, so the task that flushes the purge outbox fails. The operator gets an email,
 * and another one after the recovery.
 */
export async function failingTask(stage: Stage, userId: string): Promise<{ alerts: number }> {
  const { narrator } = stage;
  const known = new Set((await stage.inbox()).map(({ id }) => id));
  const newEmails = async (subject: string): Promise<Arrived[]> =>
    (await stage.inbox()).filter(
      (email) => !known.has(email.id) && email.subject.includes(subject),
    );
  const email = async (what: string, subject: string): Promise<Arrived> =>
    await stage.until(what, WITHIN_MS, async () => (await newEmails(subject))[0] ?? null);

  narrator.chapter("A task fails three times");
  // The outbox is flushed and the alert recovers even if the tour ends early.
  stage.atEnd("flush the purge outbox", async () => {
    await run(stage);
    await stage.call(tick);
  });
  const index = await narrator.step("the tag index fails: its files are locked", () =>
    stage.breaks("the tag index", null, () =>
      lockStore(stage.settings.stateDir, "do/luna-api-CacheTagIndex"),
    ),
  );
  await writeWithoutIndex(stage, userId);
  await failThreeTimes(stage);
  await narrator.step(
    "with the next trigger the operator gets an email",
    async () => {
      await stage.call(tick);
      return await email("the alert", ALERT);
    },
    ({ subject }) => subject,
  );
  await index.restore();
  await flush(stage);
  await narrator.step(
    "and another email after the recovery",
    async () => {
      // After earlier tours it may have failed in half of its last runs. Then it has to succeed as
      // often in a row.
      for (let n = 1; n < RUNS; n += 1) await run(stage);
      await stage.call(tick);
      return await email("the recovery", RECOVERY);
    },
    ({ subject }) => subject,
  );
  const alerts = await narrator.step("each email came once, and no alert is firing", async () => {
    const fired = (await newEmails(ALERT)).length;
    const recovered = (await newEmails(RECOVERY)).length;
    expectThat(fired === 1 && recovered === 1, `${fired} alerts and ${recovered} recoveries came`);
    const { body } = await stage.call(listAlerts);
    expectThat(!body.firing.some(({ key }) => key === `task:${TASK}`), "the alert is still firing");
    return fired + recovered;
  });
  return { alerts };
}

const run = async (stage: Stage) => (await stage.call(runTask, { params: { name: TASK } })).body;

async function writeWithoutIndex(stage: Stage, userId: string): Promise<void> {
  const { narrator } = stage;
  const params = { userId };
  await narrator.step(
    "a user changes: the purge is in the outbox, no old value is served",
    async () => {
      await stage.call(updateUser, { params, body: { tier: "pro" } });
      const { body, headers } = await stage.call(getUser, { params });
      expectThat(body.user.tier === "pro", "the old value is served");
      return headers.get("Cache-Status") ?? "none";
    },
    String,
  );
  await narrator.step(
    "/health counts the purges in the outbox",
    (waitFor) =>
      stage.until("a purge that waits for ten seconds", WITHIN_MS, async () => {
        const { body } = await stage.call(getHealth);
        if (!("cache" in body.checks)) return null;
        const { owedPurges, oldestOwedSeconds } = body.checks.cache;
        waitFor(`${owedPurges} for ${oldestOwedSeconds} s`);
        return oldestOwedSeconds >= OWN_DELIVERY_SECONDS ? owedPurges : null;
      }),
    (count) => `${count} in the outbox`,
  );
}

async function failThreeTimes(stage: Stage): Promise<void> {
  await stage.narrator.step(
    `the task ${TASK} fails ${RUNS} times`,
    async () => {
      const runs = [await run(stage), await run(stage), await run(stage)];
      const messages = runs.flatMap((ended) =>
        ended.status === "failure" ? [ended.error.message] : [],
      );
      expectThat(messages.length === RUNS, "it succeeded");
      return messages;
    },
    (messages) => messages[0] ?? "",
  );
}

async function flush(stage: Stage): Promise<void> {
  await stage.narrator.step(
    "the index is back: the task flushes the outbox",
    async () => {
      const ended = await run(stage);
      expectThat(ended.status === "success", "it failed");
      const { body } = await stage.call(getHealth);
      expectThat(
        "cache" in body.checks && body.checks.cache.owedPurges === 0,
        "the outbox is not empty",
      );
      return ended.result;
    },
    (result) => JSON.stringify(result),
  );
}
