import { setTimeout as sleep } from "node:timers/promises";
import { randomFrom } from "../../test/support/random.ts";
import type { KilledLuna } from "./killed-luna.ts";
import { apiKeyOf, METRIC, userName } from "./store.ts";
import { zipf } from "./zipf.ts";

/** What users do during the outages: mostly reads of their own data, by popularity, some writes. */

type Outcome = "confirmed" | "refused" | "unknown";
export type Tally = {
  /** By outage, "none" for the rest. */
  reads: Map<string, { sent: number; answered: number }>;
  signUps: { userId: string; address: string; outcome: Outcome }[];
  /** Per user: usage that was confirmed, and usage that may have been counted. */
  usage: Map<string, { confirmed: number; unknown: number }>;
  slowestMs: number;
};

const SHARES = { signUp: 0.02, usage: 0.03 };
const READS = ["", "", "", "/permissions", "/subscription", "/usage"];
const CLIENTS = 16;
/** Between two requests of one client. */
const PAUSE_MS = 10;
/** After a request without an answer. */
const PAUSE_WITHOUT_ANSWER_MS = 500;

export class Users {
  readonly tally: Tally = { reads: new Map(), signUps: [], usage: new Map(), slowestMs: 0 };
  /** What fails now. */
  outage = "none";
  readonly #luna: KilledLuna;
  readonly #random: () => number;
  readonly #rank: (random: number) => number;

  constructor(luna: KilledLuna, users: number, seed: number) {
    this.#luna = luna;
    this.#random = randomFrom(seed);
    this.#rank = zipf(users);
  }

  async run(ms: number): Promise<void> {
    const endsAt = Date.now() + ms;
    const client = async (): Promise<void> => {
      while (Date.now() < endsAt) {
        await this.#once();
        await sleep(PAUSE_MS * (0.5 + this.#random()));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  async #once(): Promise<void> {
    const dice = this.#random();
    const userId = userName(this.#rank(this.#random()));
    if (dice < SHARES.signUp) await this.#signUp();
    else if (dice < SHARES.signUp + SHARES.usage) await this.#count(userId);
    else await this.#read(userId, READS[Math.floor(this.#random() * READS.length)] ?? "");
  }

  /** With the user's own key, so that the key is read, too. */
  async #read(userId: string, what: string): Promise<void> {
    const before = this.outage;
    const status = await this.#call("GET", `/api/users/${userId}${what}`, apiKeyOf(userId));
    // An outage may begin during the read.
    const outage = before === "none" ? this.outage : before;
    const { sent, answered } = this.tally.reads.get(outage) ?? { sent: 0, answered: 0 };
    const count = { sent: sent + 1, answered: answered + (status === 200 ? 1 : 0) };
    this.tally.reads.set(outage, count);
  }

  async #signUp(): Promise<void> {
    const entry = { userId: `new-${this.tally.signUps.length + 1}`, outcome: "unknown" as Outcome };
    const address = `${entry.userId}@example.com`;
    const signUp = { ...entry, address };
    this.tally.signUps.push(signUp);
    const body = { userId: entry.userId, email: address };
    signUp.outcome = outcomeOf(await this.#call("POST", "/api/users", this.#luna.token, body));
  }

  async #count(userId: string): Promise<void> {
    const body = { metric: METRIC, amount: 1 };
    const path = `/api/users/${userId}/usage`;
    const outcome = outcomeOf(await this.#call("POST", path, this.#luna.token, body));
    const { confirmed, unknown } = this.tally.usage.get(userId) ?? { confirmed: 0, unknown: 0 };
    this.tally.usage.set(userId, {
      confirmed: confirmed + (outcome === "confirmed" ? 1 : 0),
      unknown: unknown + (outcome === "unknown" ? 1 : 0),
    });
  }

  /** @returns the status; 0 if the outcome is unknown */
  async #call(method: string, path: string, token: string, body?: unknown): Promise<number> {
    const startedAt = performance.now();
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    try {
      const response = await this.#luna.fetch(path, init);
      const text = await response.text();
      // Errors of the local runtime, which dies in a SIGKILL, are not answers of Luna.
      const isOfLuna = response.headers.get("Content-Type")?.includes("json") === true;
      const isUnknown = response.status === 503 && text.includes("outcome-unknown");
      if (isUnknown || (response.status >= 500 && !isOfLuna)) return 0;
      this.tally.slowestMs = Math.max(this.tally.slowestMs, performance.now() - startedAt);
      return response.status;
    } catch {
      await sleep(PAUSE_WITHOUT_ANSWER_MS);
      return 0;
    }
  }
}

function outcomeOf(status: number): Outcome {
  if (status === 0) return "unknown";
  return status < 300 ? "confirmed" : "refused";
}
