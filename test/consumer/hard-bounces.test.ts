import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { AttemptDetail, Outcome } from "../../shared/email/rules/outcome.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import {
  emailRow,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  waitLimits,
} from "../support/emails.ts";

/** What a refusal of an address leads to, on a real D1. */

const db = env.DB;
const now = 1_700_000_000_000;
let tokens = 0;

beforeEach(async () => {
  await db.batch(
    ["emails", "dead_letters", "suppressions"].map((table) => db.prepare(`DELETE FROM ${table}`)),
  );
});

const refusal = (
  kind: "refused_permanent" | "refused_transient",
  detail: AttemptDetail,
): Outcome => ({
  kind,
  detail,
});
const noSuchUser = {
  transport: "smtp",
  phase: "RCPT TO",
  code: 550,
  enhancedCode: "5.1.1",
  text: "550 5.1.1 no such user",
};

/** Hands an email over to a transport with this answer. */
async function handOver(name: TransportName, outcome: Outcome): Promise<string> {
  const id = await queueEmail(db, now);
  const token = `token-${(tokens += 1)}`;
  const { claimed } = await claim(db, {
    notifications: [notification(id)],
    token,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: [name],
  });
  const delivery = {
    db,
    queue: fakeQueue().queue,
    deadLetterQueue: fakeQueue().queue,
    transports: [fakeTransport(async () => outcome, { name })],
    policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
    waitLimits,
    unsubscribe: null,
    emailIdHeader: "X-Luna-Email",
    clock: () => now,
    random: () => 0.5,
    sleep: async () => undefined,
  };
  await deliverClaimed(delivery, token, claimed);
  return id;
}

const suppressions = async () =>
  (await db.prepare("SELECT address, scope, reason, note FROM suppressions").all()).results;

describe("a refusal of the address itself", () => {
  it.each<[TransportName, AttemptDetail]>([
    ["smtp", noSuchUser],
    [
      "cloudflare",
      {
        transport: "cloudflare",
        phase: "SEND",
        code: "E_RECIPIENT_SUPPRESSED",
        text: "recipient is suppressed",
      },
    ],
  ])("by %s suppresses it, together with the email's end", async (name, detail) => {
    const id = await handOver(name, refusal("refused_permanent", detail));
    expect(await emailRow(db, id)).toMatchObject({ status: "dead" });
    const { to_address: to } = (await db
      .prepare("SELECT to_address FROM emails WHERE id = ?")
      .bind(id)
      .first<{ to_address: string }>()) ?? { to_address: "" };
    expect(await suppressions()).toEqual([
      { address: to.toLowerCase(), scope: "all", reason: "bounce", note: detail.text },
    ]);
    // A second email that was accepted before does not change it.
    await handOver(name, refusal("refused_permanent", { ...detail, text: "again" }));
    expect(await suppressions()).toHaveLength(1);
  });

  it.each<[string, Outcome]>([
    ["for now", refusal("refused_transient", { ...noSuchUser, code: 450, enhancedCode: "4.1.1" })],
    ["of a full mailbox", refusal("refused_permanent", { ...noSuchUser, enhancedCode: "5.2.2" })],
    ["of the sender", refusal("refused_permanent", { ...noSuchUser, phase: "MAIL FROM" })],
  ])("differs from one %s, which suppresses nothing", async (_, outcome) => {
    await handOver("smtp", outcome);
    expect(await suppressions()).toEqual([]);
  });
});
