import { once } from "node:events";
import type { AddressInfo } from "node:net";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer, type SMTPServerSession } from "smtp-server";

/**
 * What the server answers in one phase: a refusal such as `451 4.3.0 busy`, a hang, or a connection
 * that is dropped after the email was kept (`drop`) or instead of keeping it (`lose`). `data` is
 * the end of the message, `data-command` the command that begins it.
 */
export type Fault =
  | {
      phase: "connect" | "mail" | "rcpt" | "data-command" | "data";
      do: "refuse";
      code: number;
      text?: string;
    }
  | { phase: "data"; do: "hang" | "drop" | "lose" };

export type Delivered = {
  raw: string;
  email: Email;
  /** Of the envelope. */
  from: string;
  to: string;
  id: string;
  generation: number;
  at: number;
};

/**
 * How far a hand-over has come, reported before the server answers; `answered` once the answer is
 * on its way.
 */
export type Step = "connected" | "mail" | "rcpt" | "data" | "dot" | "answered";

/** A real SMTP server that misbehaves on command and keeps what it accepted. */
export class SmtpSink {
  readonly delivered: Delivered[] = [];
  /** Hand-overs that reached the end of the message, refused ones included. */
  attempts: { to: string; at: number }[] = [];
  /**
   * Asked once for each phase of each hand-over; the recipient is known from `rcpt` on, the
   * connection from `mail` on.
   */
  fault: (phase: Fault["phase"], to: string, connection: string) => Fault | null = () => null;
  /**
   * Called at each step of each hand-over, which goes on once this settles. At `dot` the email is
   * kept already.
   */
  step: (step: Step) => Promise<void> = () => Promise.resolve();
  readonly #server: SMTPServer;
  readonly #hanging = new Set<() => void>();

  /**
   * `greetsAtOnce`: smtp-server else lets each client wait for 100 ms, to see whether it talks too
   * early.
   */
  constructor({ greetsAtOnce = false } = {}) {
    this.#server = new (greetsAtOnce ? PromptServer : SMTPServer)({
      disabledCommands: ["AUTH", "STARTTLS"],
      disableReverseLookup: true,
      closeTimeout: 100,
      onConnect: (_session, done) =>
        this.#after("connected", () => done(this.#refusal("connect", ""))),
      onMailFrom: (_address, { id }, done) =>
        this.#after("mail", () => done(this.#refusal("mail", "", id))),
      onRcptTo: ({ address }, session, done) => {
        this.#after("rcpt", () => {
          const refusal = this.#refusal("rcpt", address);
          const next = refusal === undefined ? this.#refusal("data-command", address) : undefined;
          if (next !== undefined) answerNextCommand(this.#connectionOf(session), next);
          done(refusal);
        });
      },
      onData: (stream, session, done) => {
        this.#after("data", () => {
          const chunks: Buffer[] = [];
          stream.on("data", (chunk: Buffer) => chunks.push(chunk));
          stream.once(
            "end",
            () => void this.#receive(Buffer.concat(chunks).toString(), session, done),
          );
        });
      },
    });
    // A client that goes away in the middle is an error to the server, and what the test is about.
    this.#server.on("error", () => undefined);
  }

  /** @returns the port on 127.0.0.1 */
  async listen(port = 0): Promise<number> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server.server, "listening");
    return this.port;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const release of this.#hanging) release();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Copies of one email, all generations together. */
  copiesOf(id: string): number {
    return this.delivered.filter((one) => one.id === id).length;
  }

  #after(step: Step, goOn: () => void): void {
    void this.step(step).then(goOn);
  }

  #refusal(phase: Fault["phase"], to: string, connection = ""): Refusal | undefined {
    const fault = this.fault(phase, to, connection);
    return fault?.do === "refuse" ? refusalOf(fault) : undefined;
  }

  #connectionOf(session: SMTPServerSession): Connection | undefined {
    const connections = this.#server.connections as unknown as Set<Connection>;
    return [...connections].find((connection) => connection.session === session);
  }

  async #receive(
    raw: string,
    session: SMTPServerSession,
    done: (error?: Error | null, message?: string) => void,
  ): Promise<void> {
    const to = session.envelope.rcptTo.map(({ address }) => address).join(",");
    this.attempts.push({ to, at: Date.now() });
    const fault = this.fault("data", to, session.id);
    if (fault?.do === "refuse") return done(refusalOf(fault));
    if (fault?.do === "lose") return drop(this.#connectionOf(session));
    if (fault?.do === "hang") return void this.#hanging.add(() => done(new Error("released")));
    const email = await PostalMime.parse(raw);
    const [id = "", generation = ""] = (
      email.headers.find(({ key }) => key === "x-luna-email")?.value ?? ""
    ).split(":");
    const from = session.envelope.mailFrom === false ? "" : session.envelope.mailFrom.address;
    this.delivered.push({
      raw,
      email,
      from,
      to,
      id,
      generation: Number(generation),
      at: Date.now(),
    });
    if (fault?.do === "drop") return drop(this.#connectionOf(session));
    await this.step("dot");
    done(null, "queued");
    await this.step("answered");
  }
}

class PromptServer extends SMTPServer {
  override connect(...socket: Parameters<SMTPServer["connect"]>): void {
    super.connect(...socket);
    const connection = [...this.connections].at(-1);
    connection?.connectionReady();
    // The timer of that wait calls it again.
    Object.assign(connection ?? {}, { connectionReady: () => undefined });
  }
}

type Refusal = Error & { responseCode: number };

function refusalOf({ text, code }: { code: number; text?: string }): Refusal {
  return Object.assign(new Error(text ?? "refused by the test"), { responseCode: code });
}

/** What smtp-server has no public way to do: to be rude, and to refuse the command DATA. */
type Connection = {
  session: SMTPServerSession;
  send(code: number, text: string): void;
  _socket: { destroy(): void };
  _nextHandler: (command: Buffer, done: () => void) => void;
};

/** Gone before the answer: the client cannot know. */
function drop(connection: Connection | undefined): void {
  // oxlint-disable-next-line no-underscore-dangle
  connection?._socket.destroy();
}

function answerNextCommand(
  connection: Connection | undefined,
  { responseCode, message }: Refusal,
): void {
  if (connection === undefined) return;
  // oxlint-disable-next-line no-underscore-dangle
  connection._nextHandler = (_command, done) => {
    connection.send(responseCode, message);
    done();
  };
}
