import { discardDeadLetter, listDeadLetters } from "../../../shared/contract/dead-letters.ts";
import { sendEmail } from "../../../shared/contract/emails.ts";
import { putOnQueue } from "../poison.ts";
import { expectThat, type Stage } from "../stage.ts";

const WITHIN_MS = 30_000;

/** A message that no schema accepts becomes a dead letter with its body, and delays no email. */
export async function poisonMessage(stage: Stage): Promise<void> {
  const { narrator } = stage;
  narrator.chapter("A poison message");
  await narrator.step("another Worker queues a message that no schema accepts", () =>
    putOnQueue(stage.settings, { hello: `demo ${stage.tag}` }),
  );
  await narrator.step("an email that is queued behind it arrives", async () => {
    const email = {
      to: `demo-${stage.tag}-poison@example.com`,
      subject: `Demo ${stage.tag}: behind the poison`,
      text: "From the tour.",
    };
    const { body } = await stage.call(sendEmail, { body: email });
    stage.accepted.push(body.id);
    await stage.until("the email", WITHIN_MS, async () =>
      (await stage.inbox()).some(({ emailId }) => emailId === body.id) ? true : null,
    );
  });
  const letter = await narrator.step(
    "it is a dead letter, with its body and the reason",
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
