const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const LABEL_WIDTH = 64;
const NARROWEST = 80;

/** What the tour is told through: a terminal, or whatever reads lines. */
export type Screen = { write(text: string): unknown; isTTY?: boolean; columns?: number };

/**
 * Tells what happens, a line for each step; on a terminal the step that goes on says what it waits
 * for.
 */
export class Narrator {
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
   * One thing that has to hold.
   *
   * @param run throws if it does not; may tell what it waits for
   * @param note what there is to say of its value
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
      this.line(
        `  ${this.#styled("32", "✓")} ${what.padEnd(LABEL_WIDTH)} ${durationText(this.#now() - startedAt).padStart(7)}  ${note(value)}`.trimEnd(),
      );
      return value;
    } catch (error) {
      stopSpinning();
      this.line(
        `  ${this.#styled("31", "✗")} ${what.padEnd(LABEL_WIDTH)} ${durationText(this.#now() - startedAt).padStart(7)}`,
      );
      throw waitsFor === "" || !(error instanceof Error)
        ? error
        : new Error(`${error.message} (last seen: ${waitsFor})`, { cause: error });
    }
  }

  #spin(what: string, waitsFor: () => string, startedAt: number): () => void {
    if (this.#screen.isTTY !== true) return () => undefined;
    let frame = 0;
    const draw = (): void => {
      const seconds = `${Math.floor((this.#now() - startedAt) / 1_000)} s`;
      const line = `  ${FRAMES[frame % FRAMES.length]} ${[what, seconds, waitsFor()].filter(Boolean).join(" · ")}`;
      // A line that is broken could not be taken away again.
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

export function durationText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
