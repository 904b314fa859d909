import { getEmail } from "../../../shared/contract/emails.ts";
import { expectThat, type Stage } from "../stage.ts";

export type EmailCounts = { accepted: number; sent: number; arrived: number; twice: number };

/** Compares the accepted emails with the API and with the mailbox. */
export async function countEmails(stage: Stage): Promise<EmailCounts> {
  const { narrator } = stage;
  const accepted = stage.accepted.length;
  narrator.chapter("Count");
  const sent = await narrator.step(
    "the API reports every email of this tour as sent",
    async () => {
      const emails = await Promise.all(
        stage.accepted.map(async (id) => (await stage.call(getEmail, { params: { id } })).body),
      );
      const others = emails.filter(({ status }) => status !== "sent");
      expectThat(
        others.length === 0,
        others.map(({ id, status }) => `${id} is ${status}`).join(", "),
      );
      return emails.length;
    },
    (count) => `${count} of ${accepted}`,
  );
  const inbox = await narrator.step(
    "each is in the mailbox, none twice",
    async () => {
      // By address: an email that was never accepted is an error too.
      const emails = (await stage.inbox()).filter(({ to }) =>
        to.some((address) => address.includes(stage.tag)),
      );
      const copies = stage.accepted.map(
        (id) => emails.filter(({ emailId }) => emailId === id).length,
      );
      const arrived = copies.filter((count) => count > 0).length;
      const twice = copies.filter((count) => count > 1).length;
      expectThat(
        arrived === accepted && twice === 0 && emails.length === accepted,
        `${arrived} of ${accepted} arrived, ${twice} twice; the mailbox has ${emails.length}`,
      );
      return { arrived, twice };
    },
    ({ arrived, twice }) => `${arrived} of ${accepted}, ${twice} twice`,
  );
  return { accepted, sent, ...inbox };
}
