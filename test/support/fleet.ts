import { BreakerClient } from "../../shared/lib/circuit-breaker/isolate/client.ts";
import type { CallPolicy } from "../../shared/lib/circuit-breaker/isolate/executor.ts";
import { IsolateBreaker } from "../../shared/lib/circuit-breaker/isolate/isolate-breaker.ts";
import {
  initialBreaker,
  snapshot,
  type Breaker,
} from "../../shared/lib/circuit-breaker/rules/phase.ts";
import {
  addRequest,
  leaseMsAt,
  noRequests,
  type RequestRate,
} from "../../shared/lib/circuit-breaker/rules/request-rate.ts";
import type {
  ProbeReport,
  BreakerSyncReply,
  BreakerSyncRequest,
} from "../../shared/lib/circuit-breaker/rules/rpc.ts";
import {
  defaultSettings,
  type BreakerSettings,
} from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { decide, type Event } from "../../shared/lib/circuit-breaker/rules/state.ts";
import type { Command, Transition } from "../../shared/lib/circuit-breaker/rules/transition.ts";
import { toWire } from "../../shared/lib/circuit-breaker/rules/wire.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export class DependencyDown extends Error {}

/** The dependency is at fault for `DependencyDown`, and for what takes too long as always. */
export const policy: CallPolicy = {
  timeoutMs: 5_000,
  calleeTimesOut: false,
  countsAsFailure: (error) => error instanceof DependencyDown,
};

/** The same for a dependency whose calls end by themselves: these take the fast path. */
export const selfTiming: CallPolicy = { ...policy, calleeTimesOut: true };

export type Condition = "up" | "throws" | "hangs" | "loses-replies";

/**
 * The Durable Object as the fleet meets it: the real decisions behind a network that delays, loses
 * and fails.
 */
export class SimulatedObject {
  readonly clock: VirtualClock;
  condition: Condition = "up";
  latencyMs = 20;
  requests = 0;
  /** What a request waits for at the object before it is answered. */
  turn: (() => Promise<void>) | null = null;
  memory: Breaker = initialBreaker;
  stored: Breaker = initialBreaker;
  rate: RequestRate = noRequests;
  readonly transitions: Transition[] = [];
  readonly grants: { id: string; at: number }[] = [];

  readonly settings: BreakerSettings;

  constructor(clock: VirtualClock, settings = defaultSettings) {
    this.clock = clock;
    this.settings = settings;
  }

  sync = async ({ report, acquire }: BreakerSyncRequest): Promise<BreakerSyncReply> =>
    await this.#serve(() => {
      this.apply({ type: "look" });
      if (report !== undefined) this.apply({ type: "report", ...report });
      const granted = acquire !== undefined && this.apply({ type: "acquire", ...acquire });
      if (granted) this.grants.push({ id: acquire.id, at: this.clock.now() });
      return this.#reply(granted);
    });

  endProbe = async (report: ProbeReport): Promise<BreakerSyncReply> =>
    await this.#serve(() => {
      this.apply({ type: "probe-ended", ...report });
      return this.#reply(false);
    });

  command(command: Command): void {
    this.apply({ type: "command", command, actor: "ada", reason: "test" });
  }

  /** Dropped from memory, as an idle object is after about ten seconds. */
  evict(): void {
    this.memory = this.stored;
    this.rate = noRequests;
  }

  get snapshot(): BreakerSyncReply["snapshot"] {
    const now = this.clock.now();
    const leaseMs = leaseMsAt(this.rate, this.settings.leaseMs, now);
    return snapshot(this.memory, this.settings, now, leaseMs);
  }

  #reply(granted: boolean): BreakerSyncReply {
    this.rate = addRequest(this.rate, this.clock.now());
    const wire = toWire(this.snapshot, this.clock.now());
    return { snapshot: wire, granted, takesErrors: true, wire: 2 };
  }

  apply(event: Event): boolean {
    const { breaker, transition, granted, persist } = decide(
      this.memory,
      event,
      this.settings,
      this.clock.now(),
    );
    this.memory = breaker;
    if (persist) this.stored = breaker;
    if (transition !== null) this.transitions.push(transition);
    return granted;
  }

  async #serve<Reply>(answer: () => Reply): Promise<Reply> {
    this.requests += 1;
    const { condition } = this;
    if (condition === "throws") throw new Error("Durable Object is overloaded.");
    await this.clock.sleep(this.latencyMs / 2);
    if (condition === "hangs") return await new Promise(() => undefined);
    if (this.turn !== null) await this.turn();
    const reply = answer();
    if (condition === "loses-replies") return await new Promise(() => undefined);
    await this.clock.sleep(this.latencyMs / 2);
    return reply;
  }
}

let ids = 0;

/** An isolate's client, as cold as a new isolate is. */
export function isolate(
  object: SimulatedObject,
  options: { policy?: CallPolicy; random?: () => number } = {},
): BreakerClient {
  const { clock, settings } = object;
  const random = options.random ?? (() => 0.5);
  const background = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => rejections.push(error));
  const breaker = new IsolateBreaker({
    object,
    settings,
    background,
    clock,
    random,
    notify: ({ event }) => events.push(event),
  });
  return new BreakerClient({
    dependency: "test",
    policy: options.policy ?? policy,
    breaker,
    background,
    clock,
    random,
    newId: () => `permit-${(ids += 1)}`,
  });
}

/** What the isolates logged of losing and finding the object. */
export const events: string[] = [];

/** What was left to `waitUntil` and rejected there: nothing ever should. */
export const rejections: unknown[] = [];

export const succeed = async (): Promise<string> => "value";
export const failing = async (): Promise<never> => {
  throw new DependencyDown("the dependency is down");
};
