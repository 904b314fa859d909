import { type Stage, expectThat } from "../stage.ts";

const ARRIVES_WITHIN_MS = 30_000;

/** A user signs up and gets a welcome email: both come from one transaction. */
export async function signedUp(stage: Stage): Promise<string> {
  const { narrator } = stage;
  narrator.chapter("Sign up");
  const user = await narrator.step(
    "a user signs up: account, usage, subscription and email at once",
    () => stage.signUp("ada"),
    ({ userId }) => userId,
  );
  await narrator.step("the welcome email is in the mailbox, once", () =>
    welcomed(stage, user.email),
  );
  return user.userId;
}

/** Waits for the welcome email of an address. */
export async function welcomed(stage: Stage, email: string): Promise<void> {
  const emails = await stage.until("the welcome email", ARRIVES_WITHIN_MS, async () => {
    const found = (await stage.inbox()).filter(({ to }) => to.includes(email));
    return found.length > 0 ? found : null;
  });
  expectThat(emails.length === 1, `${emails.length} welcome emails arrived`);
  stage.accepted.push(...emails.map(({ emailId }) => emailId));
}
