import * as v from "valibot";

const emails = v.array(
  v.object({
    id: v.string(),
    subject: v.optional(v.string(), ""),
    to: v.optional(v.array(v.object({ address: v.string() })), []),
    headers: v.object({
      "x-luna-email": v.optional(v.string()),
      // If PRODUCT_NAME is set.
      "x-email-id": v.optional(v.string()),
    }),
  }),
);

/** An email in the mailbox. `emailId`: its id in Luna. */
export type Arrived = { id: string; emailId: string; subject: string; to: string[] };

/** The emails in the mailbox of a local run. */
export async function arrived(mailboxUrl: string): Promise<Arrived[]> {
  const response = await fetch(`${mailboxUrl}/api/email`, { signal: AbortSignal.timeout(5_000) });
  return v.parse(emails, await response.json()).map(({ id, subject, to, headers }) => ({
    id,
    subject,
    to: to.map(({ address }) => address),
    emailId: (headers["x-luna-email"] ?? headers["x-email-id"] ?? "").replace(/:\d+$/, ""),
  }));
}
