import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { ServerReport } from "./server-report.ts";

/** The moments of a session. `ehlo` is HELO too; `body` is the dot that ends an email. */
export type SmtpPhase =
  | "connect"
  | "banner"
  | "ehlo"
  | "starttls"
  | "auth"
  | "mail"
  | "rcpt"
  | "data"
  | "body"
  | "quit";

export type SmtpFault = {
  /** `every` is each of them from the banner on. */
  phase: SmtpPhase | "every";
  /**
   * Only the first so many times that the phase comes, over all connections; then the server is
   * well.
   */
  times?: number;
  /** At `body`: a copy is kept, with any answer to the client. */
  keeps?: boolean;
  /** At `rcpt`: only for this address. */
  to?: string;
} &
  /** `drop`: at the next byte that comes. */
  (
    | { do: "reply"; line: string; afterwards?: "drop" | "hang" }
    | { do: "drop" }
    | { do: "hang" }
    /** The answer of a healthy server, after `ms` or when the test releases it. */
    | { do: "late"; ms: number }
    | { do: "wait" }
    /** Bytes without end, which never become an answer: so the connection is never idle. */
    | { do: "babble"; of: "bytes" | "continuation lines" | "as much as goes through" }
  );

/** `startTls`: it is offered, and always fails. */
export type SmtpScript = { pipelining?: boolean; startTls?: boolean; faults?: SmtpFault[] };

const BABBLE_MS = 200;
const FLOOD_MS = 5;
const babble = {
  bytes: "x",
  "continuation lines": "250-more\r\n",
  "as much as goes through": "x".repeat(65_536),
};

/**
 * An SMTP server of raw bytes, which misbehaves by its script and keeps what it accepts. A library
 * cannot be scripted to be this rude.
 */
export class ScriptedSmtp {
  readonly #script: SmtpScript;
  readonly #played = new Map<SmtpFault, number>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => void this.#serve(socket));
  readonly #released = Promise.withResolvers<void>();
  readonly #report: ServerReport = { attempts: 0, requests: 0, handOvers: 0, copies: [], got: [] };

  constructor(script: SmtpScript) {
    this.#script = script;
  }

  /** @returns the port on 127.0.0.1 */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  report(): ServerReport {
    return this.#report;
  }

  release(): void {
    this.#released.resolve();
  }

  async close(): Promise<void> {
    this.release();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#report.attempts += 1;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // A client that goes away in the middle is what the tests are about.
    socket.on("error", () => undefined);
    try {
      await this.#converse(socket);
    } catch {
      socket.destroy();
    }
  }

  async #converse(socket: Socket): Promise<void> {
    const say = (phase: SmtpPhase, line: string): Promise<string | null> =>
      this.#say(socket, phase, line);
    if (
      (await say("connect", "")) === null ||
      (await say("banner", "220 scripted.test ESMTP")) === null
    )
      return;
    let sender = false;
    let recipients: string[] = [];
    const lines = linesOf(socket);
    for await (const line of lines) {
      this.#report.requests += 1;
      const verb = (/^[a-z]+/i.exec(line)?.[0] ?? "").toUpperCase();
      let said: string | null = "";
      if (verb === "EHLO" || verb === "HELO") {
        said = await say("ehlo", verb === "HELO" ? "250 scripted.test" : this.#greeting());
      } else if (verb === "STARTTLS" && this.#script.startTls === true) {
        said = await say("starttls", "454 4.7.0 not now");
      } else if (verb === "AUTH") {
        said = await say("auth", "235 2.7.0 welcome");
      } else if (verb === "MAIL") {
        said = await say("mail", "250 2.1.0 ok");
        [sender, recipients] = [said?.startsWith("2") === true, []];
      } else if (verb === "RCPT") {
        const to = /<(.*)>/.exec(line)?.[1] ?? "";
        said = sender
          ? await this.#say(socket, "rcpt", "250 2.1.5 ok", to)
          : write(socket, "503 5.5.1 MAIL first");
        if (said?.startsWith("2") === true) recipients.push(to);
      } else if (verb === "DATA") {
        said =
          recipients.length > 0
            ? await say("data", "354 go on")
            : write(socket, "503 5.5.1 RCPT first");
        if (said?.startsWith("354") === true) said = await this.#receive(lines, say, recipients);
        [sender, recipients] = [false, []];
      } else if (verb === "RSET") {
        [sender, recipients] = [false, []];
        write(socket, "250 2.0.0 ok");
      } else if (verb === "QUIT") {
        if ((await say("quit", "221 2.0.0 bye")) !== null) socket.end();
        return;
      } else {
        write(socket, "502 5.5.1 unknown command");
      }
      if (said === null) return;
    }
  }

  #greeting(): string {
    const { pipelining = false, startTls = false } = this.#script;
    return [
      "250-scripted.test",
      ...(pipelining ? ["250-PIPELINING"] : []),
      ...(startTls ? ["250-STARTTLS"] : []),
      "250 SIZE 10000000",
    ].join("\r\n");
  }

  async #receive(
    lines: AsyncIterator<string>,
    say: (phase: SmtpPhase, line: string) => Promise<string | null>,
    recipients: readonly string[],
  ): Promise<string | null> {
    let copy = "";
    for (let line = await lines.next(); line.value !== "."; line = await lines.next()) {
      if (line.done === true) return null;
      copy ||= /^X-Luna-Email: *(\S+)/i.exec(line.value)?.[1] ?? "";
    }
    this.#report.handOvers += 1;
    const fault = this.#next("body");
    if (fault === null || fault.keeps === true) {
      this.#report.copies.push(copy);
      this.#report.got?.push(...recipients);
    }
    return await say("body", "250 2.0.0 queued");
  }

  /** The fault that a phase would meet now. */
  #next(phase: SmtpPhase, to?: string): SmtpFault | null {
    const meets = (fault: SmtpFault): boolean =>
      (fault.to === undefined || fault.to === to) &&
      (fault.phase === phase || (fault.phase === "every" && phase !== "connect"));
    const isLeft = (fault: SmtpFault): boolean =>
      (this.#played.get(fault) ?? 0) < (fault.times ?? Number.POSITIVE_INFINITY);
    return this.#script.faults?.find((fault) => meets(fault) && isLeft(fault)) ?? null;
  }

  /**
   * Answers as the script wants it.
   *
   * @returns what was sent, or null when nothing more will be
   */
  async #say(
    socket: Socket,
    phase: SmtpPhase,
    healthy: string,
    to?: string,
  ): Promise<string | null> {
    const fault = this.#next(phase, to);
    if (fault === null) return write(socket, healthy);
    this.#played.set(fault, (this.#played.get(fault) ?? 0) + 1);
    switch (fault.do) {
      case "reply":
        write(socket, fault.line);
        // RFC 5321, 3.8: 421 announces that the server closes.
        if (fault.line.startsWith("421")) socket.end();
        else if (fault.afterwards === "drop") socket.once("data", () => socket.destroy());
        else if (fault.afterwards === "hang") socket.resume();
        else return fault.line;
        return null;
      case "drop":
        socket.destroy();
        return null;
      case "hang":
        // Only who reads sees the client go away.
        socket.resume();
        return null;
      case "late":
        await new Promise((resolve) => setTimeout(resolve, fault.ms).unref());
        return write(socket, healthy);
      case "wait":
        await this.#released.promise;
        return write(socket, healthy);
      case "babble": {
        const text = babble[fault.of];
        const babbling = setInterval(
          () => void (socket.writableNeedDrain || socket.write(text)),
          text.length > 100 ? FLOOD_MS : BABBLE_MS,
        );
        socket.once("close", () => clearInterval(babbling));
        socket.resume();
        return null;
      }
    }
  }
}

function write(socket: Socket, line: string): string {
  if (line !== "" && socket.writable) socket.write(`${line}\r\n`);
  return line;
}

async function* linesOf(socket: Socket): AsyncGenerator<string, undefined> {
  let rest = "";
  // Who stops to listen, hangs: it must not hang up.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const lines = (rest + (chunk as Buffer).toString("latin1")).split("\r\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}
