import type { Socket } from "node:net";
import { Readable } from "node:stream";
import SMTPConnection, { type Options } from "nodemailer/lib/smtp-connection";
import type { ComposedEmail } from "./compose.ts";
import type { SmtpSettings } from "./rules/smtp.ts";
import { openSocket, tlsFailure } from "./smtp-socket.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/**
 * A server that does not answer QUIT must not keep one of the few connections that a Worker may
 * have.
 */
const QUIT_GRACE_MS = 1_000;

/** What nodemailer keeps of an email, and reports only of one that was accepted. */
const ENVELOPE = "_envelope";
type Envelope = { rejectedErrors?: (Error & { recipient?: string })[] };

/**
 * One connection to an SMTP server, for one email at a time. Every step rejects with what
 * nodemailer reports, also when it is lost.
 */
export class SmtpSession {
  readonly #settings: SmtpSettings;
  readonly #idleMs: number;
  #socket: Socket | null = null;
  #smtp: SMTPConnection | null = null;
  #reject: (error: unknown) => void = () => undefined;
  #lost: Error | null = null;

  /** @param idleMs how long the server may be silent */
  constructor(settings: SmtpSettings, idleMs: number) {
    this.#settings = settings;
    this.#idleMs = idleMs;
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  /** Connects, encrypts and authenticates. */
  async open(): Promise<void> {
    const { credentials } = this.#settings;
    const until = Date.now() + CONNECT_TIMEOUT_MS;
    const socket = await openSocket(this.#settings, CONNECT_TIMEOUT_MS, (opening) => {
      this.#socket = opening;
    });
    if (this.#lost !== null) throw this.#lost;
    // nodemailer listens to a socket that was opened already from the next turn on.
    const closed = (): void => this.#end(new Error("Connection closed unexpectedly"));
    for (const event of ["end", "close"]) socket.once(event, closed);
    setImmediate(() =>
      setImmediate(() => {
        for (const event of ["end", "close"]) socket.removeListener(event, closed);
      }),
    );
    const smtp = this.#connectionOf(socket, Math.max(until - Date.now(), 1));
    await this.#step<unknown>((done) => smtp.connect(done));
    if (credentials !== null)
      await this.#step<unknown>((done) => smtp.login({ credentials }, done));
  }

  #connectionOf(connection: Socket, timeoutMs: number): SMTPConnection {
    const smtp = new SMTPConnection({
      ...optionsOf(this.#settings, this.#idleMs),
      connection,
      connectionTimeout: timeoutMs,
    });
    this.#smtp = smtp;
    smtp.on("error", (error) =>
      this.#end(smtp.upgrading ? tlsFailure("STARTTLS", this.#settings.host, error) : error),
    );
    // After a 421 nodemailer ends the connection before it reports the server's reply: let the
    // report come first.
    smtp.once("end", () => setTimeout(() => this.#end(new Error("the connection ended early")), 0));
    return smtp;
  }

  /**
   * Sends one email.
   *
   * @param onBody called when the body is first read: only after the server's 354, and from there
   *   on a lost connection leaves the email's outcome open
   * @returns the server's reply
   */
  async send({ envelope, size, open }: ComposedEmail, onBody: () => void): Promise<string> {
    // Of the email before, which may have had the same recipients.
    if (this.#smtp !== null) Reflect.set(this.#smtp, ENVELOPE, false);
    const body = Readable.from(readFrom(open, onBody), { objectMode: false });
    // It is destroyed with the connection.
    body.on("error", (error) => this.#end(error));
    const info = await this.#step<{ response?: string } | undefined>((done) =>
      this.#smtp?.send({ ...envelope, size }, body, done),
    );
    return info?.response ?? "";
  }

  /** Ends a transaction that the server refused, so that the next email can begin one. */
  async reset(): Promise<void> {
    await this.#step<unknown>((done) => this.#smtp?.reset(done));
  }

  /** The replies by which recipients of the email were refused. The others may have another. */
  get refusals(): { address: string; error: Error }[] {
    // The error of a body does not have them.
    const envelope: unknown = this.#smtp === null ? null : Reflect.get(this.#smtp, ENVELOPE);
    return !envelope
      ? []
      : ((envelope as Envelope).rejectedErrors ?? []).flatMap((error) =>
          error.recipient === undefined ? [] : [{ address: error.recipient, error }],
        );
  }

  /** Sends QUIT, and does not wait for the reply. */
  quit(): void {
    const smtp = this.#smtp;
    if (smtp === null || this.isLost) return this.close();
    smtp.quit();
    setTimeout(() => smtp.close(), QUIT_GRACE_MS);
  }

  close(): void {
    this.#end(new Error("closed"));
    this.#smtp?.close();
    this.#socket?.destroy();
  }

  #step<Value>(run: (done: (error?: Error | null, value?: Value) => void) => void): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost);
      this.#reject = reject;
      run((error, value) => {
        if (error) reject(error);
        else resolve(value as Value);
      });
    });
  }

  #end(error: Error): void {
    this.#lost ??= error;
    this.#reject(error);
  }
}

async function* readFrom(
  open: ComposedEmail["open"],
  onBody: () => void,
): AsyncGenerator<Uint8Array> {
  onBody();
  for await (const chunk of open()) yield chunk as Uint8Array;
}

function optionsOf(settings: SmtpSettings, idleMs: number): Options {
  return {
    host: settings.host,
    ...(settings.ehloName !== null && { name: settings.ehloName }),
    port: settings.port,
    secure: settings.security === "tls",
    secured: settings.security === "tls",
    requireTLS: settings.security === "starttls",
    ignoreTLS: settings.security === "none",
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: idleMs,
    socketCloseTimeout: 0,
    logger: false,
  };
}
