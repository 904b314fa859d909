import type { Outcome } from "../rules/outcome.ts";
import { compose, type ComposedEmail } from "./compose.ts";
import { classifySmtpError, refusesThisMail } from "./rules/smtp-outcome.ts";
import type { SmtpSettings } from "./rules/smtp.ts";
import { SmtpSession } from "./smtp-session.ts";
import { HAND_OVER_MS, type OutgoingEmail, type Transport } from "./transport.ts";

/**
 * Hands mails to an SMTP server. A connection whose mail was accepted takes the next one, for as
 * long as the transport is open: at most as many connections as mails are in hand-over at once.
 */
export function smtpTransport(settings: SmtpSettings): Transport {
  const idle: SmtpSession[] = [];
  return {
    deadlineMs: HAND_OVER_MS,
    send: (mail) => sendWithinDeadline(settings, idle, mail),
    close() {
      for (const session of idle.splice(0)) session.quit();
    },
  };
}

async function sendWithinDeadline(
  settings: SmtpSettings,
  idle: SmtpSession[],
  mail: OutgoingEmail,
): Promise<Outcome> {
  const attempt = new Attempt(settings, mail);
  let expire: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<Outcome>((resolve) => {
    expire = setTimeout(
      () => resolve(attempt.failed(new Error(`no answer within ${HAND_OVER_MS} ms`))),
      HAND_OVER_MS,
    );
  });
  const outcome = await Promise.race([
    expired,
    attempt.run(idle).catch((error: unknown) => attempt.failed(error)),
  ]);
  clearTimeout(expire);
  const session = attempt.end();
  if (outcome.kind === "accepted" && session !== null && !session.isLost) idle.push(session);
  else session?.close();
  return outcome;
}

/** One hand-over of one mail. */
class Attempt {
  readonly #settings: SmtpSettings;
  readonly #mail: OutgoingEmail;
  #session: SmtpSession | null = null;
  #handedOver = false;
  #isOver = false;

  constructor(settings: SmtpSettings, mail: OutgoingEmail) {
    this.#settings = settings;
    this.#mail = mail;
  }

  /** @throws whatever nodemailer reports */
  async run(idle: SmtpSession[]): Promise<Outcome> {
    const composed = await compose(this.#mail).catch((error: unknown) => {
      // Before anybody was asked: it says nothing about the server.
      throw Object.assign(new Error("the mail cannot be composed", { cause: error }), {
        command: "API",
      });
    });
    if (this.#isOver) throw new Error("given up");
    const used = idle.pop();
    if (used !== undefined) {
      try {
        return await this.#send(used, composed);
      } catch (error) {
        // The server may have given up a connection that it finds old. The mail has not left: a new
        // one decides.
        if (this.#handedOver || refusesThisMail(error)) throw error;
        used.close();
      }
    }
    if (this.#isOver) throw new Error("given up");
    const session = new SmtpSession(this.#settings, HAND_OVER_MS);
    this.#session = session;
    await session.open();
    return await this.#send(session, composed);
  }

  async #send(session: SmtpSession, composed: ComposedEmail): Promise<Outcome> {
    this.#session = session;
    const text = await session.send(composed, () => {
      this.#handedOver = true;
    });
    return { kind: "accepted", detail: { transport: "smtp", phase: "BODY", code: 250, text } };
  }

  failed(error: unknown): Outcome {
    return classifySmtpError(error, this.#handedOver);
  }

  /** @returns the connection, for whoever needs it next */
  end(): SmtpSession | null {
    this.#isOver = true;
    return this.#session;
  }
}
