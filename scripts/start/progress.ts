import type { Clock } from "../../shared/lib/base/clock.ts";

const NAME_WIDTH = 13;

/** Prints one line when a part of the start begins, and one when it has ended. */
export class Progress {
  readonly #print: (line: string) => void;
  readonly #clock: Clock;

  constructor(print: (line: string) => void, clock: Clock) {
    this.#print = print;
    this.#clock = clock;
  }

  line(name: string, text: string): void {
    this.#print(`${name.padEnd(NAME_WIDTH)}${text}`);
  }

  /**
   * @param doing what begins: `applying the migrations`
   * @param done what has then ended: `migrations applied`
   */
  async part<Value>(
    name: string,
    { doing, done }: { doing: string; done: string },
    work: () => Promise<Value>,
  ): Promise<Value> {
    const began = this.#clock.now();
    this.line(name, `${doing} …`);
    const value = await work();
    this.line(name, `${done} in ${((this.#clock.now() - began) / 1_000).toFixed(1)} s`);
    return value;
  }
}
