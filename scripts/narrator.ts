const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const LABEL_WIDTH = 64;
const NARROWEST = 80;

/** The output: a terminal, or a stream of lines. */
export type Screen = { write(text: string): unknown; isTTY?: boolean; columns?: number };

/**
 * Prints one line per step. On a terminal the running step shows what it waits for.
 */
export class Narrator {
  /** Steps that succeeded. */
  held = 0;
  readonly #screen: Screen;
  readonly #now: () => number;

  constructor(screen: Screen, now: () => number) {
    this.#screen = screen;
    this.#now = now;
  }

  chapter(title: string): void {
    this.#screen.write(`\n${this.#styled("1", title)}\n`);
  }

  line(text: string): void {
    this.#screen.write(`${text}\n`);
  }

  /**
   * Runs one check.
   *
   * @param run throws if the check fails; may report what it waits for
   * @param note the text about its value
   */
  async step<Value>(
    what: string,
    run: (waitFor: (what: string) => void) => Promise<Value>,
    note: (value: Value) => string = () => "",
  ): Promise<Value> {
    const startedAt = this.#now();
    let waitsFor = "";
    const stopSpinning = this.#spin(what, () => waitsFor, startedAt);
    try {
      const value = await run((now) => (waitsFor = now));
      stopSpinning();
      this.held += 1;
      this.line(`${this.#result("32", "✓", what, startedAt)}  ${note(value)}`.trimEnd());
      return value;
    } catch (error) {
      stopSpinning();
      this.line(this.#result("31", "✗", what, startedAt));
      throw waitsFor === "" || !(error instanceof Error)
        ? error
        : new Error(`${error.message} (last seen: ${waitsFor})`, { cause: error });
    }
  }

  #result(color: string, mark: string, what: string, startedAt: number): string {
    const took = elapsedText(this.#now() - startedAt).padStart(7);
    return `  ${this.#styled(color, mark)} ${what.padEnd(LABEL_WIDTH)} ${took}`;
  }

  #spin(what: string, waitsFor: () => string, startedAt: number): () => void {
    if (this.#screen.isTTY !== true) return () => undefined;
    let frame = 0;
    const draw = (): void => {
      const seconds = `${Math.floor((this.#now() - startedAt) / 1_000)} s`;
      const text = [what, seconds, waitsFor()].filter(Boolean).join(" · ");
      const line = `  ${FRAMES[frame % FRAMES.length]} ${text}`;
      // A wrapped line could not be erased.
      this.#screen.write(`\r\u001b[2K${line.slice(0, (this.#screen.columns ?? NARROWEST) - 1)}`);
      frame += 1;
    };
    const timer = setInterval(draw, FRAME_MS);
    return () => {
      clearInterval(timer);
      this.#screen.write("\r\u001b[2K");
    };
  }

  #styled(code: string, text: string): string {
    return this.#screen.isTTY === true ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

export function elapsedText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
