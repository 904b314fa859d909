import { randomFrom } from "../../test/support/random.ts";
import { SmtpSink, type Delivered, type Fault } from "../../test/support/sink.ts";

/** A mail server that can go down, and that treats each email as the seed decides. */

export type Fate =
  | { kind: "fine" }
  /** Refused this many times, then accepted. */
  | { kind: "transient"; phase: "rcpt" | "data-command" | "data"; times: number }
  | { kind: "permanent" }
  /** The connection drops after the body: the sender cannot know whether the email was kept. */
  | { kind: "ambiguous"; kept: boolean };

/** Parts of all emails, from 0 to 1. */
export type Shares = { transient: number; permanent: number; ambiguous: number };

/**
 * A server does not have the recipient at MAIL, so it may refuse any email there. Some emails
 * therefore use up their attempts.
 */
const MAIL_REFUSALS = 0.02;
const PHASES = ["rcpt", "data-command", "data"] as const;
/** None of them means that the server has a problem: that would open the circuit breaker. */
const REFUSALS = [
  { code: 451, text: "4.7.1 greylisted, try again later" },
  { code: 451, text: "4.3.0 lookup failed" },
  { code: 452, text: "4.2.2 mailbox full" },
] as const;
/** It takes no more emails than this in a second. */
const MOST_PER_SECOND = 30;
const THROTTLED = { code: 454, text: "4.7.0 throttled: rate exceeded" };
const NO_SUCH_USER = { code: 550, text: "5.1.1 no such user" };

export const recipient = (n: number): string => `n${n}@example.com`;
/** Each third email has a second recipient, whom the server never refuses. */
export const copyRecipient = (n: number): string | null =>
  n % 3 === 0 ? `c${n}@example.com` : null;
export const numberOf = (address: string): number => Number(/^n(\d+)@/.exec(address)?.[1]);

export class MailServer {
  readonly fates: Fate[];
  readonly #refusals = new Map<number, number>();
  readonly #random: () => number;
  #sink = new SmtpSink({ greetsAtOnce: true });
  #port = 0;
  #taken: number[] = [];

  constructor(emails: number, shares: Shares, seed: number) {
    this.#random = randomFrom(seed);
    this.fates = shuffled(fatesOf(emails, shares), this.#random);
  }

  /** @returns the port on 127.0.0.1, the same each time */
  async listen(): Promise<number> {
    this.#sink.fault = (phase, to) => this.#fault(phase, to);
    this.#port = await this.#sink.listen(this.#port);
    return this.#port;
  }

  /** @returns what starts it again, with the emails that it kept */
  async goDown(): Promise<() => Promise<void>> {
    await this.close();
    return async () => {
      const { delivered } = this;
      this.#sink = new SmtpSink({ greetsAtOnce: true });
      this.#sink.delivered.push(...delivered);
      await this.listen();
    };
  }

  async close(): Promise<void> {
    await this.#sink.close();
  }

  get delivered(): Delivered[] {
    return this.#sink.delivered;
  }

  #fault(phase: Fault["phase"], to: string): Fault | null {
    if (phase === "mail")
      return this.#random() < MAIL_REFUSALS ? { phase, do: "refuse", ...REFUSALS[1] } : null;
    if (phase === "data" && this.#isFull()) return { phase, do: "refuse", ...THROTTLED };
    const n = numberOf(to);
    const fate = this.fates[n];
    if (fate?.kind === "permanent" && phase === "rcpt")
      return { phase, do: "refuse", ...NO_SUCH_USER };
    if (fate?.kind === "ambiguous" && phase === "data")
      return { phase, do: fate.kept ? "drop" : "lose" };
    const refusals = this.#refusals.get(n) ?? 0;
    if (fate?.kind !== "transient" || phase !== fate.phase || refusals >= fate.times) return null;
    this.#refusals.set(n, refusals + 1);
    return { phase, do: "refuse", ...(REFUSALS[n % REFUSALS.length] ?? REFUSALS[0]) };
  }

  #isFull(): boolean {
    const now = Date.now();
    this.#taken = this.#taken.filter((at) => at > now - 1_000);
    if (this.#taken.length >= MOST_PER_SECOND) return true;
    this.#taken.push(now);
    return false;
  }
}

/** Exact shares, and within them each phase and each number of refusals equally often. */
function fatesOf(emails: number, { transient, permanent, ambiguous }: Shares): Fate[] {
  const some = (share: number, fate: (n: number) => Fate): Fate[] =>
    Array.from({ length: Math.round(emails * share) }, (_, n) => fate(n));
  const faulty = [
    ...some(transient, (n) => ({
      kind: "transient",
      phase: PHASES[n % PHASES.length] ?? PHASES[0],
      times: 1 + (Math.floor(n / PHASES.length) % 3),
    })),
    ...some(permanent, () => ({ kind: "permanent" })),
    ...some(ambiguous, (n) => ({ kind: "ambiguous", kept: n % 2 === 0 })),
  ];
  return [...faulty, ...some(1, () => ({ kind: "fine" }))].slice(0, emails);
}

/** Fisher and Yates. */
function shuffled<Item>(items: Item[], random: () => number): Item[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(random() * left.length), 1));
}
