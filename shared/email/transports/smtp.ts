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
/** A server that does not answer QUIT must not keep one of the few connections that a Worker may have. */
const QUIT_GRACE_MS = 1_000;

/** Hands mails to an SMTP server, a connection each. */
export function smtpTransport(settings: SmtpSettings): Transport {
  return { deadlineMs: DEADLINE_MS, send: (mail) => handOver(settings, mail) };
}

async function handOver(settings: SmtpSettings, mail: OutgoingMail): Promise<Outcome> {
  const connection = new SMTPConnection(connectionOptions(settings));
  let handedOver = false;
  let expire: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<Outcome>((resolve) => {
    expire = setTimeout(() => resolve(classifySmtpError(new Error(`no answer within ${DEADLINE_MS} ms`), handedOver)), DEADLINE_MS);
  });
  const outcome = await Promise.race([
    expired,
    talk(connection, settings, mail, () => {
      handedOver = true;
    }).catch((error: unknown) => classifySmtpError(error, handedOver)),
  ]);
  clearTimeout(expire);
  if (outcome.kind === "accepted") {
    connection.quit();
    setTimeout(() => connection.close(), QUIT_GRACE_MS);
  } else {
    connection.close();
  }
  return outcome;
}

/**
 * Connects, authenticates and sends.
 *
 * @param onBody told when the body is first read: only after the server's 354, and from there on a lost connection leaves the
 *   mail's fate open
 * @throws whatever nodemailer reports
 */
async function talk(connection: SMTPConnection, settings: SmtpSettings, mail: OutgoingMail, onBody: () => void): Promise<Outcome> {
  const bytes = await compose(mail).catch((error: unknown) => {
    // Before anybody was asked: it says nothing about the server.
    throw Object.assign(new Error("the mail cannot be composed", { cause: error }), { command: "API" });
  });
  const body = new Readable({
    read() {
      onBody();
      this.push(bytes);
      this.push(null);
    },
  });
  return await new Promise<Outcome>((resolve, reject) => {
    const then =
      (next: () => void) =>
      (error?: Error | null): void => {
        if (error) reject(error);
        else next();
      };
    const send = (): void => {
      const envelope = { from: mail.from.address, to: [mail.to], size: bytes.byteLength };
      connection.send(envelope, body, (error, info) => {
        then(() => resolve({ kind: "accepted", detail: { transport: "smtp", phase: "BODY", code: 250, text: info?.response ?? "" } }))(
          error,
        );
      });
    };
    const logIn = (): void => {
      if (settings.credentials === null) send();
      else connection.login({ credentials: settings.credentials }, then(send));
    };
    connection.on("error", reject);
    // After a 421 nodemailer ends the connection before it reports what the server said: let the report come first.
    connection.once("end", () => setTimeout(() => reject(new Error("the connection ended early")), 0));
    connection.connect(then(logIn));
  });
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
