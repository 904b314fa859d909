import { stampFreshness, type Stamp } from "../../shared/lib/cache/tags/rules/sequence.ts";
import type { SimulatedBackends } from "../../test/support/cache-fleet.ts";

/**
 * The peer: an isolate's memory that asks the index on every read, and goes to the origin when it
 * does not answer.
 */
export class AskingReader {
  readonly #backends: SimulatedBackends;
  readonly #held = new Map<string, { version: number; stamp: Stamp }>();

  constructor(backends: SimulatedBackends) {
    this.#backends = backends;
  }

  async read(key: string): Promise<number> {
    const reply = await this.#ask(key);
    const held = this.#held.get(key);
    if (reply !== null && held !== undefined) {
      const purges = reply.lookedUp.map(([, purge]) => purge);
      if (stampFreshness(held.stamp, reply.meta, purges) === "fresh") return held.version;
    }
    const version = await this.#backends.loadVersion(key);
    if (reply !== null)
      this.#held.set(key, {
        version,
        stamp: { generation: reply.meta.generation, seq: reply.meta.seq },
      });
    return version;
  }

  async #ask(key: string) {
    const { index } = this.#backends;
    this.#backends.indexRequests += 1;
    try {
      return await this.#backends.reach("index", () =>
        index.answerSync({ since: null, lookUp: [key] }),
      );
    } catch {
      return null;
    }
  }
}
