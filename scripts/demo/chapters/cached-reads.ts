import { invalidate } from "../../../shared/contract/cache.ts";
import { getUser } from "../../../shared/contract/users.ts";
import { expectThat, type Stage } from "../stage.ts";

/** A read misses, the next hits, a purge takes effect at once. `Cache-Status` shows each. */
export async function cachedReads(stage: Stage, userId: string): Promise<void> {
  const { narrator } = stage;
  const read = async (expected: RegExp): Promise<string> => {
    const { headers } = await stage.call(getUser, { params: { userId } });
    const status = headers.get("Cache-Status") ?? "none";
    expectThat(expected.test(status), `Cache-Status is "${status}", not ${String(expected)}`);
    return status;
  };

  narrator.chapter("Read through the cache");
  await narrator.step(
    "the first read asks the database",
    () => read(/^[^;]+; fwd=\S+; stored/),
    String,
  );
  await narrator.step("the second is answered from memory", () => read(/^[^;]+; hit/), String);
  await narrator.step(
    "an operator purges every entry of the user",
    () => stage.call(invalidate, { body: { userId } }),
    ({ body }) => `${body.invalidated} entries`,
  );
  await narrator.step(
    "the next read asks the database again",
    () => read(/^[^;]+; fwd=\S+; stored/),
    String,
  );
  await narrator.step("and the one after that is a hit again", () => read(/^[^;]+; hit/), String);
}
