import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { Recipient } from "../../shared/email/rules/mailboxes.ts";
import type { Outcome, OutcomeForAll } from "../../shared/email/rules/outcome.ts";
import { isOpen } from "../../shared/email/rules/recipients.ts";
import { handOverKey } from "../../shared/email/rules/tag.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { findDeadLetter, recordDeadLetters, replay } from "../../shared/email/sql/dead-letters.ts";
import { findEmail } from "../../shared/email/sql/emails.ts";
import { takeFeedback } from "../../shared/email/sql/feedback.ts";
import { acceptEach } from "../../shared/email/sql/submissions.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import {
  accepted,
  detail,
  emailRow,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  refused,
  refusedForGood,
  waitLimits,
} from "../support/emails.ts";

/** Emails with several recipients, through claim and delivery on a real D1. */

const db = env.DB;
const start = 1_700_000_000_000;
const unknown: Outcome = { kind: "unknown", detail };

let now = start;
/** Of each hand-over its key and its recipients. */
let handOvers: { key: string; to: string[] }[] = [];
/** What the server answers for whom; `accepted` for all others. */
let answers: Record<string, Outcome> = {};

beforeEach(async () => {
  now = start;
  handOvers = [];
  answers = {};
  await db.batch(
    ["emails", "dead_letters", "suppressions", "webhook_messages", "idempotency_keys"].map(
      (table) => db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

const nameOf = (address: string): string => address.slice(0, address.indexOf("@"));
const [ada, bob, eve] = (["ada", "bob", "eve"] as const).map((name) => ({
  kind: name === "eve" ? "bcc" : "to",
  name: "",
  address: `${name}@example.com`,
})) as [Recipient, Recipient, Recipient];

const queueTo = async (...recipients: Recipient[]): Promise<string> =>
  await queueEmail(db, now, { to: recipients[0]?.address ?? "", recipients });

async function deliver(id: string, transport: TransportName = "smtp"): Promise<void> {
  now += 600_000;
  const { generation } = await emailRow(db, id);
  const token = `2:${now}`;
  const { claimed } = await claim(db, {
    notifications: [notification(id, generation)],
    token,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: [transport],
  });
  const queue = fakeQueue();
  await deliverClaimed(
    {
      db,
      queue: queue.queue,
      deadLetterQueue: queue.queue,
      policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
      waitLimits,
      clock: () => now,
      random: () => 0.5,
      sleep: async () => undefined,
      unsubscribe: null,
      emailIdHeader: "X-Luna-Email",
      transports: [
        fakeTransport(
          async (email) => {
            const targets = email.recipients.filter(({ state }) => isOpen(state));
            handOvers.push({
              key: handOverKey(email),
              to: targets.map(({ address }) => nameOf(address)),
            });
            const except = targets.map(({ n, address }) => ({
              n,
              outcome: (answers[nameOf(address)] ?? accepted) as OutcomeForAll,
            }));
            return { ...(except[0]?.outcome ?? accepted), except };
          },
          { name: transport },
        ),
      ],
    },
    token,
    claimed,
  );
}

const shown = async (id: string) => {
  const { email } = (await findEmail(db, id)) ?? {};
  return {
    status: email?.status,
    states: email?.recipients.map(({ state }) => state),
  };
};
const bury = async (id: string): Promise<void> => {
  const { generation } = await emailRow(db, id);
  await recordDeadLetters(db, [{ id, generation }], 7, now);
};

describe("an email with several recipients", () => {
  it("that all accept is sent once, under the key of an email with one", async () => {
    const id = await queueTo(ada, bob, eve);
    await deliver(id);
    await deliver(id);
    expect(handOvers).toEqual([{ key: `${id}:1`, to: ["ada", "bob", "eve"] }]);
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["accepted", "accepted", "accepted"],
    });
  });

  it("goes on only to those who do not have it, as another part", async () => {
    const id = await queueTo(ada, bob, eve);
    answers = { bob: refused };
    await deliver(id);
    expect(await shown(id)).toEqual({
      status: "queued",
      states: ["accepted", "pending", "accepted"],
    });
    answers = {};
    await deliver(id);
    await deliver(id);
    expect(handOvers).toEqual([
      { key: `${id}:1`, to: ["ada", "bob", "eve"] },
      { key: `${id}:1:2`, to: ["bob"] },
    ]);
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["accepted", "accepted", "accepted"],
    });
  });

  it("has a dead letter that names who was refused; its replay is for those only", async () => {
    const id = await queueTo(ada, bob, eve);
    answers = { bob: refusedForGood };
    await deliver(id);
    await bury(id);
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["accepted", "refused", "accepted"],
    });
    expect(await findDeadLetter(db, id)).toMatchObject({
      reason: "permanent",
      recipients: ["bob@example.com"],
    });
    answers = {};
    await replay(db, [id], 0, now);
    expect(await shown(id)).toEqual({
      status: "queued",
      states: ["accepted", "pending", "accepted"],
    });
    await deliver(id);
    expect(handOvers.at(-1)).toEqual({ key: `${id}:2`, to: ["bob"] });
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["accepted", "accepted", "accepted"],
    });
    expect(await findDeadLetter(db, id)).toBeNull();
  });

  it("dies for the last of them when its attempts are used up, and others keep it", async () => {
    const id = await queueTo(ada, bob);
    answers = { bob: refused };
    for (let attempt = 0; attempt < 5; attempt += 1) await deliver(id);
    expect(handOvers.map(({ to }) => to.join())).toEqual(["ada,bob", "bob", "bob", "bob"]);
    expect(handOvers.map(({ key }) => key).slice(1)).toEqual(Array(3).fill(`${id}:1:2`));
    expect(await emailRow(db, id)).toMatchObject({ status: "dead", dead_reason: "exhausted" });
    expect(await shown(id)).toEqual({ status: "sent", states: ["accepted", "refused"] });
  });

  it("is handed over to nobody while the outcome of one is open", async () => {
    const id = await queueTo(ada, bob, eve);
    answers = { ada: unknown, eve: refused };
    await deliver(id);
    expect(await shown(id)).toEqual({
      status: "unknown",
      states: ["unknown", "accepted", "pending"],
    });
    answers = {};
    await deliver(id);
    expect(handOvers).toHaveLength(1);
    // The operator found that it had left: the rest gets it now.
    expect(await resolveUnknown(db, id, "sent", now)).toMatchObject({ status: "queued" });
    await deliver(id);
    expect(handOvers.at(-1)).toEqual({ key: `${id}:1:3`, to: ["eve"] });
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["accepted", "accepted", "accepted"],
    });
  });

  it("keeps who was refused when an operator finds that it was sent", async () => {
    const id = await queueTo(ada, bob);
    answers = { ada: unknown, bob: refusedForGood };
    await deliver(id);
    expect(await resolveUnknown(db, id, "sent", now)).toMatchObject({ status: "dead" });
    await bury(id);
    expect(await shown(id)).toEqual({ status: "sent", states: ["accepted", "refused"] });
    expect(await findDeadLetter(db, id)).toMatchObject({ recipients: ["bob@example.com"] });
  });

  it("counts once in the sender's usage, however many parts it has", async () => {
    await db
      .prepare(
        `INSERT INTO users (user_id, email, tier, created_at, updated_at)
         VALUES ('u', 'u@x.co', 'pro', 1, 1)`,
      )
      .run();
    const id = await queueEmail(db, now, {
      tenant: "user:u",
      to: ada.address,
      recipients: [ada, bob],
    });
    answers = { bob: refused };
    await deliver(id);
    answers = {};
    await deliver(id);
    const { results } = await db.prepare("SELECT amount FROM usage_metrics").all();
    expect(results).toEqual([{ amount: 1 }]);
  });
});

describe("a suppressed recipient", () => {
  const suppress = (address: string) =>
    db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES (?1, 'all', 'manual', 0)`,
      )
      .bind(address)
      .run();

  it("is left out at the claim and recorded; without another the email is suppressed", async () => {
    const [id, other] = [await queueTo(ada, bob, eve), await queueTo(ada, bob)];
    await suppress("ada@example.com");
    await suppress("bob@example.com");
    await deliver(id);
    await deliver(other);
    expect(handOvers).toEqual([{ key: `${id}:1:2`, to: ["eve"] }]);
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["suppressed", "suppressed", "accepted"],
    });
    expect(await shown(other)).toEqual({
      status: "suppressed",
      states: ["suppressed", "suppressed"],
    });
  });

  it("of another tenant or category gets it; of the email's own the claim leaves it out", async () => {
    const scoped = (tenant: string, scope: string) =>
      db
        .prepare(
          `INSERT INTO scoped_suppressions (id, address, tenant, scope, reason, created_at)
           VALUES ('s_' || ?1 || ?2, 'ada@example.com', ?1, ?2, 'manual', 0)`,
        )
        .bind(tenant, scope)
        .run();
    await scoped("user:another", "all");
    await scoped("", "marketing");
    const id = await queueTo(ada, bob);
    await deliver(id);
    const tenant = await db
      .prepare("SELECT tenant FROM emails WHERE id = ?1")
      .bind(id)
      .first<string>("tenant");
    const own = await queueTo(ada, bob);
    await scoped(tenant ?? "", "all");
    await deliver(own);
    expect(handOvers.map(({ to }) => to)).toEqual([["ada", "bob"], ["bob"]]);
    expect(await shown(own)).toMatchObject({ states: ["suppressed", "accepted"] });
    await db.prepare("DELETE FROM scoped_suppressions").run();
  });

  it("is left out when the email is accepted; with all of them it is refused", async () => {
    await suppress("bob@example.com");
    const email = {
      tenant: "admin",
      from: "Luna <hello@luna.example>",
      to: ada.address,
      subject: "Hi",
      text: "Hi",
      onUnknown: "hold" as const,
      key: null,
    };
    const verdicts = await acceptEach(
      db,
      [
        { ...email, id: "both", recipients: [ada, { ...bob, address: "Bob@Example.com" }] },
        { ...email, id: "none", to: bob.address, recipients: [bob] },
      ],
      now,
      [],
    );
    expect(verdicts).toEqual([{ tag: "accepted" }, { tag: "suppressed", reason: "manual" }]);
    expect(await shown("both")).toEqual({ status: "queued", states: ["pending", "suppressed"] });
    await deliver("both");
    expect(handOvers).toEqual([{ key: "both:1", to: ["ada"] }]);
  });
});

describe("a recipient at whom no email can arrive", () => {
  const noSuchUser = (text: string): Outcome => ({
    kind: "refused_permanent",
    detail: { transport: "smtp", phase: "RCPT TO", code: 550, enhancedCode: "5.1.1", text },
  });
  const suppressed = async () =>
    (await db.prepare("SELECT address, reason, note FROM suppressions ORDER BY address").all())
      .results;

  it("is suppressed beside others who get the email", async () => {
    const id = await queueTo(ada, { ...bob, address: "Bob@Example.com" }, eve);
    answers = { Bob: noSuchUser("550 5.1.1 no bob"), eve: refusedForGood };
    await deliver(id);
    expect(await shown(id)).toEqual({
      status: "sent",
      states: ["accepted", "refused", "refused"],
    });
    expect(await suppressed()).toEqual([
      { address: "bob@example.com", reason: "bounce", note: "550 5.1.1 no bob" },
    ]);
  });

  it("is suppressed with each other one, and while the outcome of others is open", async () => {
    const all = await queueTo(ada, bob);
    answers = { ada: noSuchUser("550 5.1.1 no ada"), bob: noSuchUser("550 5.1.1 no bob") };
    await deliver(all);
    expect((await suppressed()).map(({ note }) => note)).toEqual([
      "550 5.1.1 no ada",
      "550 5.1.1 no bob",
    ]);
    await db.prepare("DELETE FROM suppressions").run();
    const some = await queueTo(ada, bob, eve);
    answers = { ada: unknown, bob: refused, eve: noSuchUser("550 5.1.1 no eve") };
    await deliver(some);
    expect((await shown(some)).status).toBe("unknown");
    expect((await suppressed()).map(({ address }) => address)).toEqual(["eve@example.com"]);
  });
});

describe("a report of the provider", () => {
  const report = async (id: string, feedback: "delivered" | "bounced" | "failed", to: string[]) =>
    await takeFeedback(
      db,
      {
        provider: "resend",
        messageId: crypto.randomUUID(),
        report: {
          feedback,
          email: { id, generation: 1, part: 1 },
          to,
          providerId: "re-1",
          suppress: feedback === "bounced" ? "bounce" : null,
          detail,
        },
      },
      now,
    );
  const suppressed = async () =>
    (await db.prepare("SELECT address FROM suppressions").all()).results.map(
      (row) => row["address"],
    );

  it("is about the recipient that it names, and suppresses that one only", async () => {
    const id = await queueTo(ada, bob);
    await deliver(id, "resend");
    expect(await report(id, "bounced", ["bob@example.com"])).toMatchObject({ changed: true });
    expect(await shown(id)).toEqual({ status: "bounced", states: ["accepted", "bounced"] });
    expect(await suppressed()).toEqual(["bob@example.com"]);
    await report(id, "delivered", ["bob@example.com"]);
    await report(id, "delivered", ["ada@example.com"]);
    expect(await shown(id)).toEqual({ status: "bounced", states: ["delivered", "bounced"] });
  });

  it("that names several suppresses nobody, since it may be about another", async () => {
    const id = await queueTo(ada, bob);
    await deliver(id, "resend");
    await report(id, "bounced", ["ada@example.com", "bob@example.com"]);
    expect(await shown(id)).toEqual({ status: "sent", states: ["accepted", "accepted"] });
    expect(await suppressed()).toEqual([]);
    await report(id, "delivered", ["ada@example.com", "bob@example.com"]);
    expect(await shown(id)).toEqual({ status: "delivered", states: ["delivered", "delivered"] });
  });

  it("settles all whose outcome was open, since the provider had accepted the email", async () => {
    const id = await queueTo(ada, bob);
    answers = { ada: unknown, bob: unknown };
    await deliver(id, "resend");
    expect(await shown(id)).toEqual({ status: "pinned", states: ["unknown", "unknown"] });
    await report(id, "delivered", ["ada@example.com"]);
    expect(await shown(id)).toEqual({ status: "sent", states: ["delivered", "accepted"] });
    await report(id, "failed", []);
    expect(await shown(id)).toEqual({ status: "bounced", states: ["bounced", "bounced"] });
  });
});
