import { getHealth } from "../../../shared/contract/system.ts";
import { createUser, getUser } from "../../../shared/contract/users.ts";
import { lockStore } from "../break.ts";
import { expectThat, type Stage } from "../stage.ts";
import { welcomed } from "./sign-up.ts";

/**
 * D1 does not answer: entries in memory are served, nothing is half done, and the same request
 * succeeds afterwards.
 */
export async function databaseDown(stage: Stage, readBefore: string): Promise<void> {
  const { narrator } = stage;
  const userId = `demo-${stage.tag}-bob`;
  const email = `${userId}@example.com`;

  narrator.chapter("The database does not answer");
  const database = await narrator.step("its files are locked", async () => {
    // Puts the user into memory.
    await stage.call(getUser, { params: { userId: readBefore } });
    return await stage.breaks("the database", "database", () =>
      lockStore(stage.settings.stateDir, "d1"),
    );
  });
  await narrator.step(
    "a user who was read before is served from memory",
    async () => {
      const status =
        (await stage.call(getUser, { params: { userId: readBefore } })).headers.get(
          "Cache-Status",
        ) ?? "none";
      expectThat(/^[^;]+; hit/.test(status), `Cache-Status is "${status}"`);
      return status;
    },
    String,
  );
  await narrator.step(
    "a sign-up answers 503 outcome-unknown",
    async () => {
      const answer = await stage.client(createUser, { body: { userId, email } });
      expectThat(!answer.ok && answer.status === 503, `it was answered with ${answer.status}`);
      expectThat(
        answer.problem.type.endsWith(":outcome-unknown"),
        `the problem is ${answer.problem.type}`,
      );
      return answer;
    },
    ({ status, problem }) => `${status} ${problem.type}`,
  );
  await narrator.step(
    "/health is down",
    async () => {
      const health = await stage.client(getHealth);
      expectThat(health.status === 503, `it was answered with ${health.status}`);
      return health.status;
    },
    String,
  );
  await database.restore();
  await narrator.step(
    "D1 is back: nothing of the sign-up was written",
    async () => {
      const { status } = await stage.client(getUser, { params: { userId } });
      expectThat(status === 404, `it was answered with ${status}`);
      return status;
    },
    String,
  );
  await narrator.step("the same sign-up succeeds", () => stage.signUp("bob"));
  await narrator.step("one welcome email arrives, not two", () => welcomed(stage, email));
}
