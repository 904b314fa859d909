import { once } from "node:events";
import type { AddressInfo } from "node:net";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer, type SMTPServerSession } from "smtp-server";

/** What the server answers in one phase: a refusal such as `451 4.3.0 busy`, a hang, or a dropped connection. */
export type Fault =
  | { phase: "connect" | "mail" | "rcpt" | "data"; do: "refuse"; code: number; text?: string }
  | { phase: "data"; do: "hang" | "drop" };

export type Delivered = { raw: string; mail: Email; to: string; id: string; generation: number };

/** How far a hand-over has come, told before the server answers; `answered` once the answer is on its way. */
export type Step = "connected" | "mail" | "rcpt" | "data" | "dot" | "answered";

/** A real SMTP server that misbehaves on command and keeps what it accepted. */
export class SmtpSink {
  readonly delivered: Delivered[] = [];
  /** Hand-overs that reached the end of the message, refused ones included. */
  attempts: { to: string; at: number }[] = [];
  /** Asked once for each phase of each hand-over; the recipient is known from `rcpt` on. */
  fault: (phase: Fault["phase"], to: string) => Fault | null = () => null;
  /** Told of each step of each hand-over, which goes on once this settles. At `dot` the mail is kept already. */
  step: (step: Step) => Promise<void> = () => Promise.resolve();
  readonly #server: SMTPServer;
  readonly #hanging = new Set<() => void>();

  constructor() {
    this.#server = new SMTPServer({
      disabledCommands: ["AUTH", "STARTTLS"],
      disableReverseLookup: true,
      closeTimeout: 100,
      onConnect: (_session, done) => this.#after("connected", () => done(this.#refusal("connect", ""))),
      onMailFrom: (_address, _session, done) => this.#after("mail", () => done(this.#refusal("mail", ""))),
      onRcptTo: ({ address }, _session, done) => this.#after("rcpt", () => done(this.#refusal("rcpt", address))),
      onData: (stream, session, done) => {
        this.#after("data", () => {
          const chunks: Buffer[] = [];
          stream.on("data", (chunk: Buffer) => chunks.push(chunk));
          stream.once("end", () => void this.#receive(Buffer.concat(chunks).toString(), session, done));
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

  /** Copies of one mail, all generations together. */
  copiesOf(id: string): number {
    return this.delivered.filter((one) => one.id === id).length;
  }

  #after(step: Step, goOn: () => void): void {
    void this.step(step).then(goOn);
  }

  #refusal(phase: Fault["phase"], to: string): Error | undefined {
    const fault = this.fault(phase, to);
    if (fault?.do !== "refuse") return undefined;
    return Object.assign(new Error(fault.text ?? "refused by the test"), { responseCode: fault.code });
  }

  async #receive(raw: string, session: SMTPServerSession, done: (error?: Error | null, message?: string) => void): Promise<void> {
    const to = session.envelope.rcptTo.map(({ address }) => address).join(",");
    this.attempts.push({ to, at: Date.now() });
    const fault = this.fault("data", to);
    if (fault?.do === "refuse") return done(Object.assign(new Error(fault.text ?? "refused by the test"), { responseCode: fault.code }));
    if (fault?.do === "hang") return void this.#hanging.add(() => done(new Error("released")));
    const mail = await PostalMime.parse(raw);
    const [id = "", generation = ""] = (mail.headers.find(({ key }) => key === "x-luna-email")?.value ?? "").split(":");
    this.delivered.push({ raw, mail, to, id, generation: Number(generation) });
    if (fault?.do === "drop") return dropConnections(this.#server);
    await this.step("dot");
    done(null, "queued");
    await this.step("answered");
  }
}

/** Accepted, then gone before the answer: the client cannot know. */
function dropConnections(server: SMTPServer): void {
  const { connections } = server as unknown as { connections: Set<{ close(): void; _socket: { destroy(): void } }> };
  // oxlint-disable-next-line no-underscore-dangle -- smtp-server has no public way to be rude
  for (const connection of connections) connection._socket.destroy();
}
