import { invalidate } from "../../../shared/contract/cache.ts";
import {
  listCircuitBreakers,
  resetCacheBreaker,
} from "../../../shared/contract/circuit-breakers.ts";
import {
  getPermissions,
  getSubscription,
  getTeams,
  getUsage,
  getUser,
  getWorkspaces,
} from "../../../shared/contract/users.ts";
import { lockStore } from "../break.ts";
import { expectThat, type Stage } from "../stage.ts";

const reads = [getUser, getPermissions, getSubscription, getUsage, getTeams, getWorkspaces];
const OPENS_WITHIN_MS = 30_000;
/** The lifetime of a snapshot of the breaker, with a margin. */
const LEARNED_WITHIN_MS = 15_000;

type ReadCounts = { asked: number; answered: number };

/** KV takes no writes: its breaker opens, and every read is still answered. */
export async function kvDown(stage: Stage, userId: string): Promise<ReadCounts> {
  const { narrator } = stage;
  const count: ReadCounts = { asked: 0, answered: 0 };
  const purgeAndRead = async (): Promise<string[]> => {
    await stage.call(invalidate, { body: { userId } });
    const answers = await Promise.all(
      reads.map((read) => stage.client(read, { params: { userId } })),
    );
    count.asked += answers.length;
    count.answered += answers.filter(({ ok }) => ok).length;
    return answers.map(({ headers }) => headers.get("Cache-Status") ?? "none");
  };

  narrator.chapter("KV fails");
  const kv = await narrator.step("its files are locked: no write succeeds", () =>
    stage.breaks("KV", "cache", () => lockStore(stage.settings.stateDir, "kv")),
  );
  await openBreaker(stage, purgeAndRead);
  await narrator.step(
    "reads no longer ask KV, and are answered from the database",
    () =>
      stage.until("a read that bypasses KV", LEARNED_WITHIN_MS, async () => {
        const statuses = await purgeAndRead();
        return statuses.every((status) => status.endsWith("detail=kv-open"))
          ? (statuses[0] ?? null)
          : null;
      }),
    String,
  );
  const whileDown = await narrator.step(
    "every read was answered meanwhile",
    async () => {
      expectThat(count.answered === count.asked, `${count.answered} of ${count.asked} were`);
      return { ...count };
    },
    ({ asked, answered }) => `${answered} of ${asked}`,
  );
  await kv.restore();
  await recover(stage, purgeAndRead);
  return whileDown;
}

type PurgeAndRead = () => Promise<string[]>;

async function openBreaker(stage: Stage, purgeAndRead: PurgeAndRead): Promise<void> {
  await stage.narrator.step(
    "purges and reads go on until its breaker opens",
    (waitFor) =>
      stage.until("the breaker of the cache opens", OPENS_WITHIN_MS, async () => {
        await purgeAndRead();
        const { items } = (await stage.call(listCircuitBreakers)).body;
        const now = items.find(({ name }) => name === "cache");
        if (now !== undefined && "failures" in now)
          waitFor(`${now.failures} failures of ${now.calls} calls`);
        return now?.state === "OPEN" ? now : null;
      }),
    (opened) => ("failures" in opened ? (opened.lastTransition?.reason ?? "") : ""),
  );
}

async function recover(stage: Stage, purgeAndRead: PurgeAndRead): Promise<void> {
  await stage.narrator.step("KV is back, and an operator resets the breaker", async () => {
    const { body } = await stage.call(resetCacheBreaker, {
      body: { reason: "the tour has restored KV" },
    });
    expectThat(body.state === "CLOSED", `it is ${body.state}`);
  });
  await stage.narrator.step(
    "reads are stored in KV again",
    (waitFor) =>
      stage.until("a read that is stored", LEARNED_WITHIN_MS, async () => {
        const statuses = await purgeAndRead();
        waitFor(statuses.join(", "));
        return statuses.every((status) => status.endsWith("stored")) ? (statuses[0] ?? null) : null;
      }),
    String,
  );
}
