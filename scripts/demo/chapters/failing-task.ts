import { runTask, tick } from "../../../shared/contract/scheduled-tasks.ts";
import { getHealth, listAlerts } from "../../../shared/contract/system.ts";
import { getUser, updateUser } from "../../../shared/contract/users.ts";
import { lockStore } from "../break.ts";
import { expectThat, type Stage } from "../stage.ts";

const TASK = "deliver-purges";
const RUNS = 3;
/** So long a writer tries to deliver its purge itself. */
const OWN_DELIVERY_SECONDS = 11;
const WITHIN_MS = 30_000;

/**
 * The tag index dies, so that the task that delivers what is owed to it fails: the operator gets a
 * mail, and another when it is over.
 */
export async function failingTask(stage: Stage, userId: string): Promise<{ alerts: number }> {
  const { narrator } = stage;
  const params = { userId };
  const known = new Set((await stage.inbox()).map(({ id }) => id));
  const run = async () => (await stage.call(runTask, { params: { name: TASK } })).body;
  const told = `Alert: the task ${TASK} failed`;
  const over = `Recovered: the task ${TASK} failed`;
  const alertMails = async (says: string) =>
    (await stage.inbox()).filter(({ id, subject }) => !known.has(id) && subject.includes(says));
  const alertMail = async (what: string, says: string) =>
    await stage.until(what, WITHIN_MS, async () => (await alertMails(says))[0] ?? null);

  narrator.chapter("A task fails three times");
  // Also if the tour ends in the middle nothing is owed then, and the alert is over.
  stage.atEnd("deliver what is owed", async () => {
    await run();
    await stage.call(tick);
  });
  const index = await narrator.step(
    "the index of what was purged fails: its files are locked",
    () =>
      stage.breaks("the tag index", null, () =>
        lockStore(stage.stateDir, "do/luna-api-CacheTagIndex"),
      ),
  );
  await narrator.step(
    "a user is changed: the purge is owed, and no old value is seen",
    async () => {
      await stage.call(updateUser, { params, body: { tier: "pro" } });
      const { body, headers } = await stage.call(getUser, { params });
      expectThat(body.user.tier === "pro", "the old value is served");
      return headers.get("Cache-Status") ?? "none";
    },
    String,
  );
  await narrator.step(
    "/health counts what is owed",
    (waitFor) =>
      stage.until("a purge that is owed for ten seconds", WITHIN_MS, async () => {
        const { body } = await stage.call(getHealth);
        if (!("cache" in body.checks)) return null;
        const { owedPurges, oldestOwedSeconds } = body.checks.cache;
        waitFor(`${owedPurges} owed for ${oldestOwedSeconds} s`);
        return oldestOwedSeconds >= OWN_DELIVERY_SECONDS ? owedPurges : null;
      }),
    (owed) => `${owed} owed`,
  );
  await narrator.step(
    `the task ${TASK} fails ${RUNS} times`,
    async () => {
      const runs = [await run(), await run(), await run()];
      const messages = runs.map((ended) =>
        ended.status === "failure" ? ended.error.message : "success",
      );
      expectThat(
        messages.every((message) => message !== "success"),
        "it succeeded",
      );
      return messages;
    },
    (messages) => messages[0] ?? "",
  );
  await narrator.step(
    "at the next tick the operator is told, by mail",
    async () => {
      await stage.call(tick);
      return await alertMail("the alert", told);
    },
    ({ subject }) => subject,
  );
  await index.mend();
  await narrator.step(
    "the index is back: the task delivers what was owed",
    async () => {
      const ended = await run();
      expectThat(ended.status === "success", "it failed");
      const { body } = await stage.call(getHealth);
      expectThat(
        "cache" in body.checks && body.checks.cache.owedPurges === 0,
        "purges are still owed",
      );
      return ended.result;
    },
    (result) => JSON.stringify(result),
  );
  await narrator.step(
    "and the operator is told that it is over",
    async () => {
      await stage.call(tick);
      return await alertMail("the all-clear", over);
    },
    ({ subject }) => subject,
  );
  const alerts = await narrator.step("each was said once, and the alert is over", async () => {
    const [alarms, allClears] = [await alertMails(told), await alertMails(over)];
    expectThat(
      alarms.length === 1 && allClears.length === 1,
      `${alarms.length} alerts and ${allClears.length} all-clears came`,
    );
    const { body } = await stage.call(listAlerts);
    expectThat(!body.firing.some(({ key }) => key === `task:${TASK}`), "the alert goes on");
    return alarms.length + allClears.length;
  });
  return { alerts };
}
