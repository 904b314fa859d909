import * as v from "valibot";

const mails = v.array(
  v.object({
    id: v.string(),
    subject: v.optional(v.string(), ""),
    to: v.optional(v.array(v.object({ address: v.string() })), []),
    headers: v.object({ "x-luna-email": v.optional(v.string(), "") }),
  }),
);

/** A mail that has arrived. `emailId`: the id that Luna knows it by. */
export type Arrived = { id: string; emailId: string; subject: string; to: string[] };

/** What is in the mailbox of a local run: what arrived, not what anybody believes to have sent. */
export async function arrived(mailboxUrl: string): Promise<Arrived[]> {
  const response = await fetch(`${mailboxUrl}/api/email`, { signal: AbortSignal.timeout(5_000) });
  return v.parse(mails, await response.json()).map(({ id, subject, to, headers }) => ({
    id,
    subject,
    to: to.map(({ address }) => address),
    emailId: headers["x-luna-email"].replace(/:\d+$/, ""),
  }));
}
