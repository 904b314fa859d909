import { randomFrom } from "../../test/support/random.ts";
import type { Fault } from "../../test/support/sink.ts";

/** What the mail server does to each mail, all of it decided by the seed before the run begins. */

export type Fate =
  | { kind: "fine" }
  /** Refused for now this many times, then taken. */
  | { kind: "transient"; phase: "rcpt" | "data-command" | "data"; times: number }
  | { kind: "permanent" }
  /** The connection drops after the body: the sender cannot know whether the mail was kept. */
  | { kind: "ambiguous"; kept: boolean };

const SHARES = { transient: 0.3, permanent: 0.02, ambiguous: 0.01 };
/**
 * A server cannot know at MAIL whose mail it will be, so there any may be refused: some mails run
 * out of attempts.
 */
const MAIL_REFUSALS = 0.02;

const PHASES = ["rcpt", "data-command", "data"] as const;
/**
 * None of them says that the server is in trouble, which is the business of the circuit breaker's
 * tests.
 */
const REFUSALS = [
  { code: 451, text: "4.7.1 greylisted, try again later" },
  { code: 450, text: "4.2.1 mailbox busy" },
  { code: 452, text: "4.2.2 mailbox full" },
] as const;
const NO_SUCH_USER = { code: 550, text: "5.1.1 no such user" };

export const recipient = (n: number): string => `n${n}@example.com`;
export const numberOf = (address: string): number => Number(/^n(\d+)@/.exec(address)?.[1]);

export class Plan {
  readonly fates: Fate[];
  readonly #refusedSoFar: number[];
  readonly #random: () => number;

  constructor(mails: number, seed: number) {
    this.#random = randomFrom(seed);
    this.fates = shuffled(fatesOf(mails), this.#random);
    this.#refusedSoFar = this.fates.map(() => 0);
  }

  count(kind: Fate["kind"]): number {
    return this.fates.filter((fate) => fate.kind === kind).length;
  }

  /** What `SmtpSink.fault` asks. */
  readonly fault = (phase: Fault["phase"], to: string): Fault | null => {
    if (phase === "mail")
      return this.#random() < MAIL_REFUSALS ? { phase, do: "refuse", ...REFUSALS[0] } : null;
    const n = numberOf(to);
    const fate = this.fates[n];
    switch (fate?.kind) {
      case "permanent":
        return phase === "rcpt" ? { phase, do: "refuse", ...NO_SUCH_USER } : null;
      case "ambiguous":
        return phase === "data" ? { phase, do: fate.kept ? "drop" : "lose" } : null;
      case "transient": {
        const soFar = this.#refusedSoFar[n] ?? 0;
        if (phase !== fate.phase || soFar >= fate.times) return null;
        this.#refusedSoFar[n] = soFar + 1;
        return { phase, do: "refuse", ...(REFUSALS[n % REFUSALS.length] ?? REFUSALS[0]) };
      }
      case "fine":
      case undefined:
        return null;
    }
  };
}

/** Exact shares, and within them each phase and each number of refusals equally often. */
function fatesOf(mails: number): Fate[] {
  const transients = Array.from({ length: Math.round(mails * SHARES.transient) }, (_, n): Fate => {
    const phase = PHASES[n % PHASES.length] ?? PHASES[0];
    return { kind: "transient", phase, times: 1 + (Math.floor(n / PHASES.length) % 3) };
  });
  const permanents = Array.from({ length: Math.round(mails * SHARES.permanent) }, (): Fate => ({
    kind: "permanent",
  }));
  const ambiguous = Array.from({ length: Math.round(mails * SHARES.ambiguous) }, (_, n): Fate => ({
    kind: "ambiguous",
    kept: n % 2 === 0,
  }));
  const faulty = [...transients, ...permanents, ...ambiguous];
  return [
    ...faulty,
    ...Array.from({ length: mails - faulty.length }, (): Fate => ({ kind: "fine" })),
  ];
}

/** Fisher and Yates. */
function shuffled<Item>(items: Item[], random: () => number): Item[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(random() * left.length), 1));
}
