import {
  listCircuitBreakers,
  resetCircuitBreaker,
} from "../../shared/contract/circuit-breakers.ts";
import type { Client, ClientRequest } from "../../shared/contract/client/client.ts";
import type { Operation } from "../../shared/contract/operation.ts";
import { createUser, deleteUser } from "../../shared/contract/users.ts";
import type { Dependency } from "../../shared/dependencies/dependencies.ts";
import { callOrThrow } from "../call.ts";
import type { Narrator } from "../narrator.ts";
import type { StartSettings } from "../settings.ts";
import type { Broken } from "./break.ts";
import { arrived, type Arrived } from "./inbox.ts";
import { until } from "./until.ts";

export type StageSettings = {
  narrator: Narrator;
  client: Client;
  /** Of the run that the tour breaks. */
  settings: StartSettings;
  tag: string;
  signal: AbortSignal;
};

/**
 * What the chapters of the tour share. At the end, in any case, everything they broke is restored
 * and everything they created is deleted.
 */
export class Stage {
  readonly narrator: Narrator;
  readonly client: Client;
  readonly settings: StartSettings;
  /** Part of every name that this tour creates. */
  readonly tag: string;
  readonly signal: AbortSignal;
  /** The ids of the emails that this tour sent. */
  readonly accepted: string[] = [];
  readonly #mailboxUrl: string;
  readonly #cleanUp: { what: string; run: () => Promise<unknown> }[] = [];

  constructor({ narrator, client, settings, tag, signal }: StageSettings) {
    this.narrator = narrator;
    this.client = client;
    this.settings = settings;
    this.tag = tag;
    this.signal = signal;
    this.#mailboxUrl = `http://127.0.0.1:${settings.mailboxPort}`;
  }

  /** @throws Error with the problem, if the call fails */
  async call<const Called extends Operation>(operation: Called, request?: ClientRequest<Called>) {
    return await callOrThrow(this.client, operation, request);
  }

  async inbox(): Promise<Arrived[]> {
    return await arrived(this.#mailboxUrl);
  }

  async until<Value>(
    what: string,
    withinMs: number,
    look: () => Promise<Value | null>,
  ): Promise<Value> {
    return await until(what, withinMs, this.signal, look);
  }

  /** Signs up a user, who is deleted after the tour. */
  async signUp(name: string): Promise<{ userId: string; email: string }> {
    const userId = `demo-${this.tag}-${name}`;
    const email = `${userId}@example.com`;
    await this.call(createUser, { body: { userId, email } });
    this.atEnd(`delete ${userId}`, () => this.call(deleteUser, { params: { userId } }));
    return { userId, email };
  }

  /**
   * Breaks something. At the end it is restored, then its breaker is reset unless it has closed by
   * itself.
   */
  async breaks(
    what: string,
    guardedBy: Dependency | null,
    breakIt: () => Broken | Promise<Broken>,
  ): Promise<Broken> {
    if (guardedBy !== null)
      this.atEnd(`reset the breaker ${guardedBy}`, () => this.#resetUnlessClosed(guardedBy));
    const broken = await breakIt();
    this.atEnd(`restore ${what}`, () => broken.restore());
    return broken;
  }

  async #resetUnlessClosed(name: Dependency): Promise<void> {
    const { body } = await this.call(listCircuitBreakers);
    if (body.items.some((item) => item.name === name && item.state === "CLOSED")) return;
    await this.call(resetCircuitBreaker, {
      params: { name },
      body: { reason: "the tour is over" },
    });
  }

  /** Runs at the end, in reverse order. */
  atEnd(what: string, run: () => Promise<unknown>): void {
    this.#cleanUp.push({ what, run });
  }

  /** @returns what could not be undone, and why */
  async cleanUp(): Promise<string[]> {
    const left: string[] = [];
    for (const { what, run } of this.#cleanUp.splice(0).toReversed()) {
      await run().catch((error: unknown) => left.push(`could not ${what}: ${String(error)}`));
    }
    return left;
  }
}

/** @throws Error with `what`, unless `holds` */
export function expectThat(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
