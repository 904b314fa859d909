import { type Stage, expectThat } from "../stage.ts";

const ARRIVES_WITHIN_MS = 30_000;

/** A user is there, and their welcome mail arrives: both from one transaction. */
export async function signUp(stage: Stage): Promise<string> {
  const { narrator } = stage;
  narrator.chapter("Sign up");
  const user = await narrator.step(
    "a user signs up: account, usage, subscription and mail at once",
    () => stage.signUp("ada"),
    ({ userId }) => userId,
  );
  await narrator.step("the welcome mail is in the mailbox, once", () =>
    welcomed(stage, user.email),
  );
  return user.userId;
}

/** Waits for the welcome mail of an address. */
export async function welcomed(stage: Stage, email: string): Promise<void> {
  const mails = await stage.until("the welcome mail", ARRIVES_WITHIN_MS, async () => {
    const found = (await stage.inbox()).filter(({ to }) => to.includes(email));
    return found.length > 0 ? found : null;
  });
  expectThat(mails.length === 1, `${mails.length} welcome mails arrived`);
  stage.accepted.push(...mails.map(({ emailId }) => emailId));
}
