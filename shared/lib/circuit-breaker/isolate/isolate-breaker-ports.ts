import type { Clock } from "../../base/clock.ts";
import type { ProbeReport, SyncReply, SyncRequest } from "../rules/rpc.ts";
import type { BreakerSettings } from "../rules/settings.ts";

/** The breaker's object as an isolate reaches it. Its calls reject when it does not answer. */
type BreakerObject = {
  sync(request: SyncRequest): Promise<SyncReply>;
  endProbe(request: ProbeReport): Promise<SyncReply>;
};

/**
 * `object_lost`: the isolate uses its local breaker from now on; `error` ended its last request.
 * `object_back`: it uses the object's snapshots again.
 */
export type IsolateBreakerEvent =
  | { event: "object_lost"; error: unknown }
  | { event: "object_back" };

/** What an isolate's breaker needs from the isolate. */
export type IsolateBreakerPorts = {
  object: BreakerObject;
  notify: (event: IsolateBreakerEvent) => void;
  settings: BreakerSettings;
  /** Keeps work alive after its request has ended: `waitUntil`. */
  background: (work: Promise<unknown>) => void;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
};

/** A permit as its holder knows it. It ends `lastsMs` after `askedAt`. */
export type HeldPermit = { id: string; askedAt: number; lastsMs: number };

/**
 * How long a permit still lasts. If the clock was set back, it lasts `lastsMs` from now: the
 * object, whose clock was set back too, does the same.
 */
export function leftMs({ askedAt, lastsMs }: HeldPermit, now: number): number {
  return lastsMs - Math.max(now - askedAt, 0);
}
