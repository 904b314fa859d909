import type { Luna } from "../../test/process/luna.ts";
import { randomFrom } from "../../test/support/random.ts";
import { apiKeyOf, userName } from "./store.ts";
import { zipf } from "./zipf.ts";

/**
 * What users do meanwhile: mostly reads of their own, by popularity; some writes and mails. What
 * each was told is kept, to be held to what there is.
 */

type Told = "done" | "refused" | "unknown";
type SignUp = { userId: string; address: string; told: Told };
export type Tally = {
  /** By the fault that there was, "none" for the rest. */
  reads: Map<string, { asked: number; answered: number }>;
  signUps: SignUp[];
  /** Per user: how much usage was confirmed, and how much may have been counted. */
  usage: Map<string, { confirmed: number; open: number }>;
  mails: { accepted: number; given: number };
  slowestMs: number;
};

const SHARES = { signUp: 0.02, usage: 0.03, mail: 0.03 };
const READS = ["", "", "", "/permissions", "/subscription", "/usage"];
const CLIENTS = 16;
/** Each client waits so long between two requests. */
const PAUSE_MS = 10;
const CALL_TIMEOUT_MS = 15_000;
/** What is counted of users here, and by nobody else. */
export const METRIC = "chaos";

const emptyTally = (): Tally => ({
  reads: new Map(),
  signUps: [],
  usage: new Map(),
  mails: { accepted: 0, given: 0 },
  slowestMs: 0,
});

export class Load {
  readonly tally = emptyTally();
  /** What fails just now. */
  fault = "none";
  readonly #luna: Luna;
  readonly #random: () => number;
  readonly #rank: (random: number) => number;
  #next = 0;

  constructor(luna: Luna, users: number, seed: number) {
    this.#luna = luna;
    this.#random = randomFrom(seed);
    this.#rank = zipf(users);
  }

  /** Goes on until `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    const client = async (): Promise<void> => {
      while (!isOver()) {
        await this.#once();
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (0.5 + this.#random())));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  async #once(): Promise<void> {
    const dice = this.#random();
    const userId = userName(this.#rank(this.#random()));
    if (dice < SHARES.signUp) await this.#signUp();
    else if (dice < SHARES.signUp + SHARES.usage) await this.#count(userId);
    else if (dice < SHARES.signUp + SHARES.usage + SHARES.mail) await this.#mail();
    else await this.#read(userId, READS[Math.floor(this.#random() * READS.length)] ?? "");
  }

  /** By themselves, with their key: so that who they are is read, too. */
  async #read(userId: string, what: string): Promise<void> {
    const { fault } = this;
    const status = await this.#call("GET", `/api/users/${userId}${what}`, undefined, {
      Authorization: `Bearer ${apiKeyOf(userId)}`,
    });
    const count = this.tally.reads.get(fault) ?? { asked: 0, answered: 0 };
    this.tally.reads.set(fault, {
      asked: count.asked + 1,
      answered: count.answered + (status === 200 ? 1 : 0),
    });
  }

  async #signUp(): Promise<void> {
    const userId = `new-${(this.#next += 1)}`;
    const address = `${userId}@example.com`;
    const status = await this.#call("POST", "/api/users", { userId, email: address });
    this.tally.signUps.push({ userId, address, told: toldBy(status) });
  }

  async #count(userId: string): Promise<void> {
    const told = toldBy(
      await this.#call("POST", `/api/users/${userId}/usage`, { metric: METRIC, amount: 1 }),
    );
    const known = this.tally.usage.get(userId) ?? { confirmed: 0, open: 0 };
    this.tally.usage.set(userId, {
      confirmed: known.confirmed + (told === "done" ? 1 : 0),
      open: known.open + (told === "unknown" ? 1 : 0),
    });
  }

  /** Handed in again under its key until it is accepted, as a sender does who means it. */
  async #mail(): Promise<void> {
    const n = (this.tally.mails.given += 1);
    const mail = { to: `mail-${n}@example.com`, subject: `Mail ${n}`, text: `This is mail ${n}.` };
    for (let tries = 0; tries < 60; tries += 1) {
      if (
        (await this.#call("POST", "/api/emails", mail, { "Idempotency-Key": `chaos-${n}` })) === 202
      ) {
        this.tally.mails.accepted += 1;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }

  /** @returns the status; 0 if there was no answer */
  async #call(
    method: string,
    path: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<number> {
    const startedAt = performance.now();
    const headers = {
      Authorization: `Bearer ${this.#luna.token}`,
      "Content-Type": "application/json",
      ...more,
    };
    const init = {
      method,
      headers,
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    };
    try {
      const response = await fetch(`${this.#luna.url}${path}`, init);
      const text = await response.text();
      // That nobody knows is an answer of its own.
      return response.status === 503 && text.includes("outcome-unknown") ? 0 : response.status;
    } catch {
      return 0;
    } finally {
      this.tally.slowestMs = Math.max(this.tally.slowestMs, performance.now() - startedAt);
    }
  }
}

function toldBy(status: number): Told {
  if (status === 0) return "unknown";
  return status < 300 ? "done" : "refused";
}
