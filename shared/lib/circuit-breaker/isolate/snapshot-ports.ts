import type { Clock } from "../../base/clock.ts";
import type { ProbeReport, SyncReply, SyncRequest } from "../rules/rpc.ts";
import type { BreakerSettings } from "../rules/settings.ts";

/** The object as an isolate reaches it. Rejects when it does not answer. */
type BreakerObject = {
  sync(request: SyncRequest): Promise<SyncReply>;
  endProbe(request: ProbeReport): Promise<SyncReply>;
};

/**
 * An isolate that goes by a breaker of its own, and one that no longer does. `error` is what the
 * last question ended with.
 */
export type LeaseEvent = { event: "object_lost"; error: unknown } | { event: "object_back" };

/**
 * What the lease needs from where it runs. `background` must keep a promise alive that nobody
 * awaits: `waitUntil`.
 */
export type LeasePorts = {
  object: BreakerObject;
  notify: (event: LeaseEvent) => void;
  settings: BreakerSettings;
  background: (work: Promise<unknown>) => void;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
};

/** A permit as its holder knows it: it ends `lastsMs` after it was asked for. */
export type Permit = { id: string; askedAt: number; lastsMs: number };

/**
 * What is left of a permit. The object, whose clock was set back too, takes one from the future for
 * one of now.
 */
export function leftMs({ askedAt, lastsMs }: Permit, now: number): number {
  return lastsMs - Math.max(now - askedAt, 0);
}
