import { createSign } from "node:crypto";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { emailRow, queueEmail } from "../support/emails.ts";
import { snsCertificate, snsKey } from "../support/sns-certificate.ts";
import { callWith, rows } from "./support.ts";

/** https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html */

const db = env.DB;
const TOPIC = "arn:aws:sns:eu-west-1:123456789012:luna";
const HOST = "https://sns.eu-west-1.amazonaws.com";
const call = callWith({ SES_TOPIC_ARN: TOPIC });

let fetched: string[] = [];
let certificates = 0;
beforeEach(async () => {
  fetched = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    const url = String(input instanceof Request ? input.url : input);
    fetched.push(url);
    return new Response(url.endsWith(".pem") ? snsCertificate : "<ConfirmSubscriptionResponse/>");
  });
  await db.batch(
    ["emails", "suppressions", "webhook_messages"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

type Message = Record<string, string>;

/** As SNS sends it. `changed`: after it was signed. */
function signed(message: Message, version: "1" | "2" = "2", changed: Message = {}): Message {
  const whole: Message = {
    Type: "Notification",
    MessageId: crypto.randomUUID(),
    TopicArn: TOPIC,
    Timestamp: new Date().toISOString(),
    SignatureVersion: version,
    SigningCertURL: `${HOST}/SimpleNotificationService-${(certificates += 1)}.pem`,
    ...message,
  };
  const names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token"];
  const text = [...names, "TopicArn", "Type"]
    .filter((name) => whole[name] !== undefined)
    .map((name) => `${name}\n${whole[name]}\n`)
    .join("");
  const sign = createSign(version === "1" ? "RSA-SHA1" : "RSA-SHA256").update(text);
  return { ...whole, Signature: sign.sign(snsKey, "base64"), ...changed };
}

const deliver = async (message: Message, caller = call) =>
  await caller("POST", "/api/webhooks/ses", JSON.stringify(message), {
    token: null,
    headers: { "Content-Type": "text/plain; charset=UTF-8" },
  });

async function sent(addresses = ["ada@example.com"]): Promise<string> {
  const recipients = addresses.map((address) => ({ kind: "to" as const, name: "", address }));
  const id = await queueEmail(db, Date.now(), { to: addresses[0] ?? "", recipients });
  await db
    .prepare("UPDATE emails SET status = 'sent', transport = 'ses', provider_id = ?2 WHERE id = ?1")
    .bind(id, `ses-${id}`)
    .run();
  return id;
}
const mailOf = (id: string) => ({ messageId: `ses-${id}`, tags: { luna_email: [`${id}_1`] } });
const bounceOf = (id: string, type: string, ...addresses: string[]): Message => ({
  Message: JSON.stringify({
    eventType: "Bounce",
    mail: mailOf(id),
    bounce: {
      bounceType: type,
      bounceSubType: "General",
      bouncedRecipients: addresses.map((emailAddress) => ({
        emailAddress,
        diagnosticCode: "smtp; 550 5.1.1 user unknown",
      })),
    },
  }),
});

describe("an event of SES", () => {
  it.each(["1", "2"] as const)("changes its email, signed by version %s", async (version) => {
    const id = await sent();
    const Message = JSON.stringify({
      eventType: "Delivery",
      mail: mailOf(id),
      delivery: { recipients: ["ada@example.com"], smtpResponse: "250 2.6.0 Message received" },
    });
    expect((await deliver(signed({ Message }, version))).body).toMatchObject({ taken: "applied" });
    expect(await emailRow(db, id)).toMatchObject({ status: "delivered" });
  });

  it("that is repeated, late or out of order changes nothing more", async () => {
    const id = await sent();
    const complaint = signed({
      Message: JSON.stringify({
        eventType: "Complaint",
        mail: mailOf(id),
        complaint: { complainedRecipients: [{ emailAddress: "ada@example.com" }] },
      }),
    });
    expect((await deliver(complaint)).body.taken).toBe("applied");
    expect((await deliver(complaint)).body.taken).toBe("repeated");
    await deliver(signed({ Message: JSON.stringify({ eventType: "Send", mail: mailOf(id) }) }));
    expect(await emailRow(db, id)).toMatchObject({ status: "complained" });
    expect(await rows("suppressions WHERE reason = 'complaint'")).toBe(1);
  });

  it("about a permanent bounce suppresses, and about a transient one does not", async () => {
    const id = await sent();
    await deliver(signed(bounceOf(id, "Transient", "ada@example.com")));
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
    expect(await rows("suppressions")).toBe(0);
    await deliver(signed(bounceOf(id, "Permanent", "ada@example.com")));
    expect(await emailRow(db, id)).toMatchObject({ status: "bounced" });
    expect(await rows("suppressions WHERE address = 'ada@example.com'")).toBe(1);
  });

  it("about several recipients is taken for each of them", async () => {
    const id = await sent(["ada@example.com", "bob@example.com", "eve@example.com"]);
    await deliver(signed(bounceOf(id, "Permanent", "ada@example.com", "bob@example.com")));
    const { results } = await db
      .prepare("SELECT address, status FROM email_recipients WHERE email_id = ? ORDER BY n")
      .bind(id)
      .all();
    expect(results.map(({ status }) => status)).toEqual(["bounced", "bounced", null]);
  });

  it.each(["Open", "Click", "DeliveryDelay", "Rendering Failure"])(
    "of the type %s is answered, and changes nothing",
    async (eventType) => {
      const id = await sent();
      const Message = JSON.stringify({ eventType, mail: mailOf(id) });
      expect((await deliver(signed({ Message }))).body).toEqual({ taken: "ignored" });
      expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
    },
  );
});

describe("a message that is refused, with nothing written and nothing fetched", () => {
  it.each([
    ["of another topic", { TopicArn: "arn:aws:sns:eu-west-1:123456789012:other" }],
    ["with a certificate from elsewhere", { SigningCertURL: "https://evil.example/a.pem" }],
    ["with one of another region", { SigningCertURL: "https://sns.us-east-1.amazonaws.com/a.pem" }],
    ["with one on loopback", { SigningCertURL: "http://127.0.0.1:1/a.pem" }],
    ["with a name that only begins like SNS", { SigningCertURL: `${HOST}.evil.example/a.pem` }],
  ])("%s", async (_, change) => {
    const id = await sent();
    const answer = await deliver(
      signed({ ...bounceOf(id, "Permanent", "ada@example.com"), ...change }),
    );
    expect(answer.status).toBe(400);
    expect(fetched).toEqual([]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("that is not JSON, or no message of SNS", async () => {
    for (const body of [{}, { Type: "Notification" }])
      expect((await deliver(body as Message)).status).toBe(400);
    const text = await call("POST", "/api/webhooks/ses", "no JSON", { token: null });
    expect(text.status).toBe(400);
    expect(fetched).toEqual([]);
  });
});

it("a message that was changed after it was signed is refused", async () => {
  const id = await sent();
  const forged = signed({ Message: "{}" }, "2", bounceOf(id, "Permanent", "ada@example.com"));
  expect((await deliver(forged)).status).toBe(400);
  expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
});

describe("a subscription", () => {
  const subscription = (url: string): Message =>
    signed({
      Type: "SubscriptionConfirmation",
      Message: "You have chosen to subscribe",
      Token: "t",
      SubscribeURL: url,
    });

  it("to the topic that the operator has set is confirmed", async () => {
    const url = `${HOST}/?Action=ConfirmSubscription&Token=t`;
    expect((await deliver(subscription(url))).body).toEqual({ taken: "subscribed" });
    expect(fetched).toContain(url);
  });

  it("whose link leads elsewhere is not opened", async () => {
    const url = "https://evil.example/?Action=ConfirmSubscription";
    expect((await deliver(subscription(url))).status).toBe(400);
    expect(fetched).not.toContain(url);
  });

  it("does not exist where no topic is set", async () => {
    const none = callWith({});
    expect((await deliver(subscription(HOST), none)).status).toBe(404);
  });
});
