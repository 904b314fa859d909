import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isListening } from "./ports.ts";
import type { Processes } from "./processes.ts";
import type { StartSettings } from "./settings.ts";

const LOOK_EACH_MS = 50;

/**
 * A real SMTP server whose inbox is a web page. It keeps its emails with the rest of the state, so
 * that an outage loses none.
 */
export class MailboxProcess {
  readonly #processes: Pick<Processes, "run">;
  readonly #settings: StartSettings;
  readonly #env: NodeJS.ProcessEnv;
  #outage: { over: Promise<void>; end: () => void } | null = null;
  /** Ends the server that runs now. */
  #stop = new AbortController();

  constructor(processes: Pick<Processes, "run">, settings: StartSettings, env: NodeJS.ProcessEnv) {
    this.#processes = processes;
    this.#settings = settings;
    this.#env = env;
  }

  /**
   * Runs it, but for its outages.
   *
   * @throws Error when it ends without one
   */
  async run(): Promise<never> {
    const { smtpPort, mailboxPort, stateDir } = this.#settings;
    const directory = join(stateDir, "mailbox");
    mkdirSync(directory, { recursive: true });
    const ports = [
      "--ip",
      "127.0.0.1",
      "--smtp",
      String(smtpPort),
      "--web-ip",
      "127.0.0.1",
      "--web",
      String(mailboxPort),
    ];
    const args = [...ports, "--mail-directory", directory, "--hide-extensions", "STARTTLS"];
    for (;;) {
      const { signal } = (this.#stop = new AbortController());
      const code = await this.#processes.run("maildev", args, {
        env: this.#env,
        onLine: () => undefined,
        signal,
      });
      if (!signal.aborted) throw new Error(`the mailbox ended (exit code ${code})`);
      // It may be over already: a server closes its ports before its process ends.
      await this.#outage?.over;
    }
  }

  /** Ends it; nothing listens on its ports any more. */
  async goDown(): Promise<void> {
    if (this.#outage === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#outage = { over: promise, end: resolve };
      this.#stop.abort();
    }
    await this.#untilListening(false);
  }

  /** Begins it again, with the emails that it had. */
  async comeBack(): Promise<void> {
    this.#outage?.end();
    this.#outage = null;
    await this.#untilListening(true);
  }

  async #untilListening(wanted: boolean): Promise<void> {
    const { smtpPort, mailboxPort } = this.#settings;
    for (;;) {
      const listening = await Promise.all([smtpPort, mailboxPort].map(isListening));
      if (listening.every((one) => one === wanted)) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EACH_MS));
    }
  }
}
