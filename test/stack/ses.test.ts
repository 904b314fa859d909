import { afterAll, beforeEach, expect, it } from "vitest";
import { SesServer } from "../support/ses-server.ts";
import { useStack } from "./support.ts";

/** Amazon SES as a transport, before SMTP, against a server that checks its signatures. */

const ses = new SesServer("a/secret+key");
const port = await ses.listen();
afterAll(() => ses.close());

const stack = useStack(
  {
    EMAIL_TRANSPORTS: "ses,smtp",
    SES_REGION: "eu-west-1",
    SES_ACCESS_KEY_ID: "AKIDEXAMPLE",
    SES_SECRET_ACCESS_KEY: "a/secret+key",
    SES_CONFIGURATION_SET: "luna",
    SES_ENDPOINT: `http://127.0.0.1:${port}`,
    SES_RATE_PER_SECOND: "0",
  },
  [],
  "file",
);
beforeEach(() => {
  ses.taken.length = 0;
  ses.fault = null;
});

it("an email goes to SES as its own bytes, signed, with the tag that feedback names", async () => {
  const id = await stack.send("Ada <ada@example.com>", {
    cc: "bob@example.com",
    bcc: "eve@example.com",
    html: "<p>Grüße</p>",
    attachments: [{ filename: "a.txt", contentType: "text/plain", content: "SGk=" }],
  });
  const sent = await stack.until(id, "sent");
  expect(sent.events.at(-1).detail).toMatchObject({ transport: "ses", providerId: "ses-1" });
  const [taken] = ses.taken;
  expect(taken?.request).toMatchObject({
    FromEmailAddress: "hello@luna.example",
    Destination: { ToAddresses: ["ada@example.com", "bob@example.com", "eve@example.com"] },
    EmailTags: [{ Name: "luna_email", Value: `${id}_1` }],
    ConfigurationSetName: "luna",
  });
  expect(taken?.email).toMatchObject({
    from: { name: "Luna", address: "hello@luna.example" },
    to: [{ name: "Ada", address: "ada@example.com" }],
    cc: [{ address: "bob@example.com" }],
    html: expect.stringContaining("<p>Grüße</p>"),
    attachments: [{ filename: "a.txt" }],
  });
  expect(taken?.email.bcc).toBeUndefined();
});

it("an email that SES refuses for its limit goes to the next transport, in the same attempt", async () => {
  ses.fault = {
    status: 429,
    type: "TooManyRequestsException",
    message: "Maximum sending rate exceeded.",
  };
  const id = await stack.send("limited@example.com");
  const sent = await stack.until(id, "sent");
  expect(sent.attempts).toBe(1);
  expect(stack.sink.copiesOf(id)).toBe(1);
});

it("an email whose answer is lost is unknown: it goes to no other transport", async () => {
  ses.fault = "drop";
  const id = await stack.send("lost@example.com");
  await stack.until(id, "unknown");
  expect(stack.sink.copiesOf(id)).toBe(0);
});

it("an email that SES refuses for good goes to the next transport", async () => {
  ses.fault = { status: 400, type: "MessageRejected", message: "Message contains a virus." };
  const id = await stack.send("refused@example.com");
  const sent = await stack.until(id, "sent");
  expect(sent.events.at(-1).detail).toMatchObject({ transport: "smtp" });
  expect(ses.taken).toEqual([]);
});
