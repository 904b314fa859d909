import { getEmail } from "../../../shared/contract/emails.ts";
import { expectThat, type Stage } from "../stage.ts";

export type MailCounts = { accepted: number; sent: number; arrived: number; twice: number };

/** Whatever was accepted, as the API has it and as the mailbox has it. */
export async function countMails(stage: Stage): Promise<MailCounts> {
  const { narrator } = stage;
  const accepted = stage.accepted.length;
  narrator.chapter("Count");
  const sent = await narrator.step(
    "the API says of every mail of this tour that it was sent",
    async () => {
      const mails = await Promise.all(
        stage.accepted.map(async (id) => (await stage.call(getEmail, { params: { id } })).body),
      );
      const others = mails.filter(({ status }) => status !== "sent");
      expectThat(
        others.length === 0,
        others.map(({ id, status }) => `${id} is ${status}`).join(", "),
      );
      return mails.length;
    },
    (count) => `${count} of ${accepted}`,
  );
  const inbox = await narrator.step(
    "and every one is in the mailbox, none twice",
    async () => {
      // By address too: a mail that nobody accepted would be as wrong.
      const mails = (await stage.inbox()).filter(({ to }) =>
        to.some((address) => address.includes(stage.tag)),
      );
      const copies = stage.accepted.map(
        (id) => mails.filter(({ emailId }) => emailId === id).length,
      );
      const arrived = copies.filter((count) => count > 0).length;
      const twice = copies.filter((count) => count > 1).length;
      expectThat(
        arrived === accepted && twice === 0 && mails.length === accepted,
        `of ${accepted} mails ${arrived} arrived, ${twice} of them more than once; ${mails.length} are there`,
      );
      return { arrived, twice };
    },
    ({ arrived, twice }) => `${arrived} of ${accepted}, ${twice} twice`,
  );
  return { accepted, sent, ...inbox };
}
