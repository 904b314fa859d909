import { Readable } from "node:stream";
import SMTPConnection, { type Options } from "nodemailer/lib/smtp-connection";
import type { Outcome } from "../lifecycle.ts";
import { compose } from "./compose.ts";
import { classifySmtpError } from "./smtp-outcome.ts";
import type { OutgoingMail, Transport } from "./transport.ts";

export type SmtpSettings = {
  host: string;
  port: number;
  security: "none" | "starttls" | "tls";
  credentials: { user: string; pass: string } | null;
};

/** Half of a mail's lease: an outcome that arrives at the last moment can still be recorded under it. */
const DEADLINE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Hands mails to an SMTP server, a connection each. */
export function smtpTransport(settings: SmtpSettings): Transport {
  return { deadlineMs: DEADLINE_MS, send: (mail) => handOver(settings, mail) };
}

async function handOver(settings: SmtpSettings, mail: OutgoingMail): Promise<Outcome> {
  let bytes: Uint8Array;
  try {
    bytes = await compose(mail);
  } catch (error) {
    return { kind: "refused_permanent", detail: { transport: "smtp", phase: "compose", text: String(error) } };
  }
  const connection = new SMTPConnection(connectionOptions(settings));
  let handedOver = false;
  const outcome = await new Promise<Outcome>((resolve) => {
    const failed = (error: unknown): void => resolve(classifySmtpError(error, handedOver));
    const deadline = setTimeout(() => failed(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
    const settled = (result: Outcome): void => {
      clearTimeout(deadline);
      resolve(result);
    };
    const checked = (error: unknown, next: () => void): void => {
      if (error) settled(classifySmtpError(error, handedOver));
      else next();
    };
    // The body is read only after the server's 354: from there on a lost connection leaves the mail's fate open.
    const body = new Readable({
      read() {
        handedOver = true;
        this.push(bytes);
        this.push(null);
      },
    });
    const send = (): void => {
      const envelope = { from: mail.from.address, to: [mail.to], size: bytes.byteLength };
      connection.send(envelope, body, (error, info) => {
        checked(error, () =>
          settled({ kind: "accepted", detail: { transport: "smtp", phase: "DATA", code: 250, text: info?.response ?? "" } }),
        );
      });
    };
    const logIn = (): void => {
      if (settings.credentials === null) send();
      else connection.login({ credentials: settings.credentials }, (error) => checked(error, send));
    };
    connection.on("error", (error) => checked(error, () => undefined));
    connection.once("end", () => settled(classifySmtpError(new Error("the connection ended early"), handedOver)));
    connection.connect((error) => checked(error, logIn));
  });
  if (outcome.kind === "accepted") connection.quit();
  else connection.close();
  return outcome;
}

function connectionOptions(settings: SmtpSettings): Options {
  return {
    host: settings.host,
    port: settings.port,
    secure: settings.security === "tls",
    requireTLS: settings.security === "starttls",
    ignoreTLS: settings.security === "none",
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: DEADLINE_MS,
    socketCloseTimeout: 0,
    logger: false,
  };
}
