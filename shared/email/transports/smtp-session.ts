import { Readable } from "node:stream";
import SMTPConnection, { type Options } from "nodemailer/lib/smtp-connection";
import type { ComposedEmail } from "./compose.ts";
import type { SmtpSettings } from "./rules/smtp.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/**
 * A server that does not answer QUIT must not keep one of the few connections that a Worker may
 * have.
 */
const QUIT_GRACE_MS = 1_000;

/**
 * One connection to an SMTP server, for one email at a time. Every step rejects with what
 * nodemailer reports, also when it is lost.
 */
export class SmtpSession {
  readonly #settings: SmtpSettings;
  readonly #connection: SMTPConnection;
  #reject: (error: unknown) => void = () => undefined;
  #lost: Error | null = null;

  /** @param idleMs how long the server may be silent */
  constructor(settings: SmtpSettings, idleMs: number) {
    this.#settings = settings;
    this.#connection = new SMTPConnection(optionsOf(settings, idleMs));
    this.#connection.on("error", (error) => this.#end(error));
    // After a 421 nodemailer ends the connection before it reports the server's reply: let the
    // report come first.
    this.#connection.once("end", () =>
      setTimeout(() => this.#end(new Error("the connection ended early")), 0),
    );
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  /** Connects, encrypts and authenticates. */
  async open(): Promise<void> {
    const { credentials } = this.#settings;
    await this.#step<unknown>((done) => this.#connection.connect(done));
    if (credentials !== null)
      await this.#step<unknown>((done) => this.#connection.login({ credentials }, done));
  }

  /**
   * Sends one email.
   *
   * @param onBody called when the body is first read: only after the server's 354, and from there
   *   on a lost connection leaves the email's outcome open
   * @returns the server's reply
   */
  async send({ envelope, bytes }: ComposedEmail, onBody: () => void): Promise<string> {
    const body = new Readable({
      read() {
        onBody();
        this.push(bytes);
        this.push(null);
      },
    });
    const info = await this.#step<{ response?: string } | undefined>((done) =>
      this.#connection.send({ ...envelope, size: bytes.byteLength }, body, done),
    );
    return info?.response ?? "";
  }

  /** Sends QUIT, and does not wait for the reply. */
  quit(): void {
    this.#connection.quit();
    setTimeout(() => this.#connection.close(), QUIT_GRACE_MS);
  }

  close(): void {
    this.#end(new Error("closed"));
    this.#connection.close();
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

function optionsOf(settings: SmtpSettings, idleMs: number): Options {
  return {
    host: settings.host,
    ...(settings.ehloName !== null && { name: settings.ehloName }),
    port: settings.port,
    secure: settings.security === "tls",
    requireTLS: settings.security === "starttls",
    ignoreTLS: settings.security === "none",
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: idleMs,
    socketCloseTimeout: 0,
    logger: false,
  };
}
