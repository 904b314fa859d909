import tls from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SmtpSettings } from "../../shared/email/transports/rules/smtp.ts";
import { smtpTransport } from "../../shared/email/transports/smtp.ts";
import type { OutgoingEmail } from "../../shared/email/transports/transport.ts";
import { outgoingEmail } from "../support/outgoing-email.ts";
import { MAX_MESSAGE_BYTES, missingForPostfix, PASSWORD, Postfix, USER } from "./postfix-server.ts";

/** The transport against a real Postfix. What its scripted servers do is what this one does. */

const isDeep = process.env["DEEP"] === "1";
const missing = isDeep ? missingForPostfix() : null;
if (missing !== null) process.stdout.write(`Postfix is not tested: ${missing}.\n`);

describe.skipIf(!isDeep || missing !== null)("a real Postfix", () => {
  let postfix: Postfix;
  const authorities = tls.getCACertificates("default");

  beforeAll(async () => {
    postfix = new Postfix();
    await postfix.start();
    tls.setDefaultCACertificates([...authorities, postfix.authority]);
  });
  afterAll(async () => {
    tls.setDefaultCACertificates(authorities);
    await postfix.close();
  });
  beforeEach(() => {
    postfix.policy = () => "DUNNO";
  });

  const settings = (changes: Partial<SmtpSettings> = {}): SmtpSettings => ({
    host: "localhost",
    port: postfix.port,
    security: "starttls",
    credentials: { user: USER, pass: PASSWORD },
    ehloName: "luna.example",
    ...changes,
  });
  const to = (...names: string[]): Pick<OutgoingEmail, "recipients"> => ({
    recipients: names.map((name, n) => ({
      n: n + 1,
      kind: "to" as const,
      name: "",
      address: `${name}@mail.example`,
      state: null,
      detail: null,
    })),
  });
  const email = (changes: Partial<OutgoingEmail> = {}): OutgoingEmail => ({
    ...outgoingEmail,
    ...to("ada"),
    ...changes,
  });
  const send = async (sent: OutgoingEmail, changes: Partial<SmtpSettings> = {}) => {
    const transport = smtpTransport(settings(changes));
    try {
      return await transport.send(sent);
    } finally {
      transport.close?.();
    }
  };
  const copies = async (name: string, subject: string): Promise<number> =>
    (await postfix.mailbox(name)).filter((text) => text.includes(`Subject: ${subject}`)).length;

  it("takes emails by STARTTLS and AUTH, two by one connection", async () => {
    const transport = smtpTransport(settings());
    for (const subject of ["First", "Second"])
      expect(await transport.send(email({ subject }))).toMatchObject({ kind: "accepted" });
    transport.close?.();
    expect([await copies("ada", "First"), await copies("ada", "Second")]).toEqual([1, 1]);
    const [text = ""] = await postfix.mailbox("ada");
    expect(text).toMatch(/with ESMTPSA/);
  });

  it("gets no email without TLS, with a wrong password, or with a certificate of a stranger", async () => {
    expect(await send(email(), { security: "none" })).toMatchObject({ kind: "server_failed" });
    const wrong = { user: USER, pass: "wrong" };
    expect(await send(email(), { credentials: wrong })).toMatchObject({
      kind: "server_failed",
      detail: { phase: "AUTH PLAIN", code: 535 },
    });
    tls.setDefaultCACertificates(authorities);
    expect(await send(email())).toMatchObject({
      kind: "server_failed",
      detail: { phase: "STARTTLS" },
    });
    tls.setDefaultCACertificates([...authorities, postfix.authority]);
  });

  it("greylists an email, which waits and is taken later", async () => {
    const seen = new Set<string>();
    postfix.policy = (step, recipient) => {
      if (step !== "RCPT" || seen.has(recipient)) return "DUNNO";
      seen.add(recipient);
      return "DEFER_IF_PERMIT Greylisted, see http://postgrey.schweikert.ch";
    };
    const greylisted = email({ subject: "Greylisted" });
    expect(await send(greylisted)).toMatchObject({
      kind: "needs_time",
      detail: { phase: "RCPT TO", code: 450 },
    });
    expect(await send(greylisted)).toMatchObject({ kind: "accepted" });
    expect(await copies("ada", "Greylisted")).toBe(1);
  });

  it("refuses an unknown recipient for good, and takes the email for the other", async () => {
    const outcome = await send(email({ subject: "Both", ...to("ada", "nobody") }));
    expect(outcome).toMatchObject({
      kind: "accepted",
      except: [{ n: 2, outcome: { kind: "refused_permanent", detail: { enhancedCode: "5.1.1" } } }],
    });
    expect(await copies("ada", "Both")).toBe(1);
  });

  it("refuses an email above its size for good, before its body", async () => {
    const text = "x".repeat(MAX_MESSAGE_BYTES);
    const outcome = await send(email({ subject: "Large", text }));
    expect(outcome).toMatchObject({ kind: "refused_permanent" });
    expect(await copies("ada", "Large")).toBe(0);
  });

  it("killed at the end of an email leaves its outcome open, and keeps no copy", async () => {
    postfix.policy = (step) => {
      if (step === "END-OF-MESSAGE") void postfix.kill();
      return "DUNNO";
    };
    const outcome = await send(email({ subject: "Killed" }));
    expect(outcome).toMatchObject({ kind: "unknown", detail: { phase: "BODY" } });
    expect(await send(email({ subject: "Gone" }))).toMatchObject({
      kind: "server_failed",
      detail: { phase: "CONN" },
    });
    postfix.policy = () => "DUNNO";
    await postfix.start();
    expect(await send(email({ subject: "Back" }))).toMatchObject({ kind: "accepted" });
    expect(await copies("ada", "Back")).toBe(1);
    expect(await copies("ada", "Gone")).toBe(0);
  });

  it("killed after it took an email still has it", async () => {
    expect(await send(email({ subject: "Kept" }))).toMatchObject({ kind: "accepted" });
    await postfix.kill();
    await postfix.start();
    expect(await copies("ada", "Kept")).toBe(1);
  });
});
