import { discardDeadLetter, listDeadLetters } from "../../../shared/contract/dead-letters.ts";
import { sendEmail } from "../../../shared/contract/emails.ts";
import { putOnQueue } from "../poison.ts";
import { expectThat, type Stage } from "../stage.ts";

const WITHIN_MS = 30_000;

/**
 * A message that nobody understands ends among the dead letters, with its body, and keeps no mail
 * back.
 */
export async function poisonMessage(stage: Stage): Promise<void> {
  const { narrator } = stage;
  narrator.chapter("A poison message");
  await narrator.step("another Worker queues a message that nobody understands", () =>
    putOnQueue(stage.stateDir, { hello: `demo ${stage.tag}` }),
  );
  await narrator.step("a mail that is queued behind it arrives", async () => {
    const mail = {
      to: `demo-${stage.tag}-poison@example.com`,
      subject: `Demo ${stage.tag}: behind the poison`,
      text: "From the tour.",
    };
    const { body } = await stage.call(sendEmail, { body: mail });
    stage.accepted.push(body.id);
    await stage.until("the mail", WITHIN_MS, async () =>
      (await stage.inbox()).some(({ emailId }) => emailId === body.id) ? true : null,
    );
  });
  const letter = await narrator.step(
    "it is a dead letter, with its body and why",
    () =>
      stage.until("the dead letter", WITHIN_MS, async () => {
        const { body } = await stage.call(listDeadLetters, {
          query: { kind: "poison", limit: "100" },
        });
        return (
          body.items.find(({ rawBody }) => rawBody?.includes(`demo ${stage.tag}`) === true) ?? null
        );
      }),
    ({ reason, rawBody }) => `${reason}: ${rawBody ?? ""}`,
  );
  await narrator.step("an operator discards it", async () => {
    const { status } = await stage.call(discardDeadLetter, { params: { id: letter.id } });
    expectThat(status === 204, `it was answered with ${status}`);
  });
}
