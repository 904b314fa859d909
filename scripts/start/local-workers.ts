import { stripVTControlCharacters } from "node:util";
import { systemClock } from "../../shared/lib/base/clock.ts";
import type { Processes } from "../processes.ts";
import { untilReady } from "../readiness.ts";
import { quietWrangler, type StartSettings } from "../settings.ts";

type Options = {
  /** What the lines about its start begin with. */
  name: string;
  processes: Processes;
  print: (line: string) => void;
  /** Prints each line of Wrangler. */
  verbose: boolean;
};

/** One `wrangler dev`, from its start until it serves. */
export class LocalWorkers {
  readonly #options: Options;
  /** What Wrangler printed before it served: for an error message. */
  readonly #startUp: string[] = [];
  #serving = false;

  constructor(options: Options) {
    this.#options = options;
  }

  /** @throws Error when Wrangler ends */
  async run(settings: StartSettings, args: string[]): Promise<never> {
    const { port, stateDir } = settings;
    const where = ["--ip", "127.0.0.1", "--port", String(port), "--persist-to", stateDir];
    const quiet = ["--inspector-port", "0", "--show-interactive-dev-session=false"];
    const code = await this.#options.processes.run(
      "wrangler",
      ["dev", ...args, ...where, ...quiet],
      {
        env: quietWrangler(settings),
        onLine: (line) => this.#onLine(line),
      },
    );
    throw this.#failed(`the Workers ended (exit code ${code})`);
  }

  /**
   * Waits until an address answers 2xx.
   *
   * @throws Error if nothing happens for a long time
   */
  async untilAnswers(url: string): Promise<void> {
    let seen = "no answer yet";
    const isReady = async (): Promise<boolean> => {
      const answer = await fetch(url, { signal: AbortSignal.timeout(30_000) }).catch(() => null);
      if (answer !== null) seen = `${new URL(url).pathname} answers ${answer.status}`;
      return answer?.ok === true;
    };
    const progress = (): string => `${seen}; lines of Wrangler: ${this.#startUp.length}`;
    const { name, print: report } = this.#options;
    // If Wrangler ends, the whole start ends.
    await untilReady({ name, isReady, progress, report, clock: systemClock }).catch(
      (error: unknown) => {
        throw this.#failed((error as Error).message);
      },
    );
  }

  /** From now on the lines are logs of the Workers, and are printed. */
  serving(): void {
    this.#serving = true;
  }

  #failed(reason: string): Error {
    return new Error(`${reason}\n${this.#startUp.join("\n")}`);
  }

  #onLine(line: string): void {
    const plain = stripVTControlCharacters(line)
      .replace(/^\S \[(WARNING|ERROR)\] /, "")
      .trim();
    if (plain === "") return;
    if (!this.#serving) this.#startUp.push(plain);
    const isOfWorkers = this.#serving && !plain.startsWith("[wrangler:info] ");
    if (this.#options.verbose || isOfWorkers) this.#options.print(plain);
  }
}
