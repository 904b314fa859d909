import { MAX_EMAIL_BYTES } from "../rules/file.ts";
import { handOverMs } from "../rules/hand-over-size.ts";
import type { Outcome } from "../rules/outcome.ts";
import type { OutcomeForAll } from "../rules/outcome.ts";
import type { HandOverOf } from "../rules/tag.ts";
import { compose, type ComposedEmail } from "./compose.ts";
import { classifySmtpError, refusesThisEmail } from "./rules/smtp-outcome.ts";
import { connectionAfter } from "./rules/smtp-reuse.ts";
import type { SmtpSettings } from "./rules/smtp.ts";
import { SmtpSession } from "./smtp-session.ts";
import { deadlineOf, HAND_OVER_MS, type OutgoingEmail, type Transport } from "./transport.ts";
import { targetsOf } from "./visible.ts";

/**
 * How long the server may be silent on a connection, which takes emails of any size: it is silent
 * while a large one arrives. Each email has a deadline of its own.
 */
const IDLE_MS = handOverMs(MAX_EMAIL_BYTES);

/** Where the server reports what becomes of an email; null: at its sender's address. */
export type ReturnPath = (email: HandOverOf) => string | null;
type Settings = SmtpSettings & { returnPath?: ReturnPath };

/** A connection between two emails. `refused`: the server refused the last one. */
type Idle = { session: SmtpSession; refused: boolean };

/**
 * Hands emails to an SMTP server. A connection whose email was accepted or refused takes the next
 * one, for as long as the transport is open: at most as many connections as emails are in hand-over
 * at once.
 */
export function smtpTransport(settings: Settings): Transport {
  const idle: Idle[] = [];
  return {
    deadlineMs: HAND_OVER_MS,
    send: (email) => sendWithinDeadline(settings, idle, email),
    close() {
      for (const { session } of idle.splice(0)) session.quit();
    },
  };
}

async function sendWithinDeadline(
  settings: Settings,
  idle: Idle[],
  email: OutgoingEmail,
): Promise<Outcome> {
  const attempt = new Attempt(settings, email);
  const deadlineMs = deadlineOf(email);
  let expire: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<Outcome>((resolve) => {
    expire = setTimeout(
      () => resolve(attempt.failed(new Error(`no answer within ${deadlineMs} ms`))),
      deadlineMs,
    );
  });
  const outcome = await Promise.race([
    expired,
    attempt.run(idle).catch((error: unknown) => attempt.failed(error)),
  ]);
  clearTimeout(expire);
  const session = attempt.end();
  const next = connectionAfter(outcome);
  if (session === null || session.isLost || next === "close") session?.close();
  else if (next === "quit") session.quit();
  else idle.push({ session, refused: next === "reset" });
  return outcome;
}

/** One hand-over of one email. */
class Attempt {
  readonly #settings: Settings;
  readonly #email: OutgoingEmail;
  #session: SmtpSession | null = null;
  #handedOver = false;
  #isOver = false;

  constructor(settings: Settings, email: OutgoingEmail) {
    this.#settings = settings;
    this.#email = email;
  }

  /** @throws what nodemailer reports */
  async run(idle: Idle[]): Promise<Outcome> {
    const composed = await compose(this.#email).catch((error: unknown) => {
      // No server was involved yet, so this is no failure of a server.
      throw Object.assign(new Error("the email cannot be composed", { cause: error }), {
        command: "API",
      });
    });
    if (this.#isOver) throw new Error("given up");
    const used = idle.pop();
    if (used !== undefined) {
      try {
        this.#session = used.session;
        if (used.refused) await used.session.reset();
        return await this.#send(used.session, composed);
      } catch (error) {
        // The server may have closed an idle connection. The email has not left, so a new one
        // decides.
        if (this.#handedOver || refusesThisEmail(error)) throw error;
        used.session.quit();
      }
    }
    if (this.#isOver) throw new Error("given up");
    const session = new SmtpSession(this.#settings, IDLE_MS);
    this.#session = session;
    await session.open();
    return await this.#send(session, composed);
  }

  async #send(session: SmtpSession, composed: ComposedEmail): Promise<Outcome> {
    this.#session = session;
    const { envelope } = composed;
    const from = this.#settings.returnPath?.(this.#email) ?? envelope.from;
    const addressed = { ...composed, envelope: { ...envelope, from } };
    const text = await session.send(addressed, () => {
      this.#handedOver = true;
    });
    return this.#withRefusals({
      kind: "accepted",
      detail: { transport: "smtp", phase: "BODY", code: 250, text },
    });
  }

  failed(error: unknown): Outcome {
    return this.#withRefusals(classifySmtpError(error, this.#handedOver));
  }

  /** Some recipients may have been refused, with any outcome for the others. */
  #withRefusals(outcome: OutcomeForAll): Outcome {
    const targets = targetsOf(this.#email.recipients);
    // Without a sender the server also refuses each recipient: RFC 2920 sends them with MAIL.
    if (targets.length < 2 || outcome.detail.phase === "MAIL FROM") return outcome;
    const except = (this.#session?.refusals ?? []).flatMap(({ address, error }) =>
      targets
        .filter((one) => one.address === address)
        .map(({ n }) => ({ n, outcome: classifySmtpError(error, false) })),
    );
    return except.length === 0 ? outcome : { ...outcome, except };
  }

  /** @returns the connection, for the next email */
  end(): SmtpSession | null {
    this.#isOver = true;
    return this.#session;
  }
}
