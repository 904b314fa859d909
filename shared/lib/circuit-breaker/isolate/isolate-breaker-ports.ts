import { elapsedMs, type Clock } from "../../base/clock.ts";
import type { HeldSnapshot } from "../rules/admission.ts";
import type { ProbeReport, BreakerSyncReply, BreakerSyncRequest } from "../rules/rpc.ts";
import type { BreakerSettings } from "../rules/settings.ts";
import type { Thresholds } from "../rules/thresholds.ts";

/** The breaker's object as an isolate reaches it. Its calls reject when it does not answer. */
type BreakerObject = {
  sync(request: BreakerSyncRequest): Promise<BreakerSyncReply>;
  endProbe(request: ProbeReport): Promise<BreakerSyncReply>;
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
  /** What the code of this isolate asks the object for. */
  thresholds?: Thresholds | undefined;
  /** Keeps work alive after its request has ended: `waitUntil`. */
  background: (work: Promise<unknown>) => void;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
};

/** A permit as its holder has it. It ends `lastsMs` after `askedAt`. */
export type HeldPermit = { id: string; askedAt: number; lastsMs: number };

/**
 * How long a permit still lasts. If the clock was set back, it lasts `lastsMs` from now: the
 * object, whose clock was set back too, does the same.
 */
export function leftMs({ askedAt, lastsMs }: HeldPermit, now: number): number {
  return lastsMs - Math.max(now - askedAt, 0);
}

/** No call waits for these requests, so they may take longer than one that a call waits for. */
export const BACKGROUND_TIMEOUT_MS = 2_000;
/** Background work that takes longer never ends: its request has died. */
export const LOST_AFTER_MS = BACKGROUND_TIMEOUT_MS + 1_000;

/** `askedUnder`: the current snapshot when the request was sent. `late`: its time is over. */
export type PendingSync = { askedAt: number; askedUnder: HeldSnapshot | null; late: boolean };

export function isUnderWay(since: number | null, now: number): boolean {
  return since !== null && elapsedMs(since, now) < LOST_AFTER_MS;
}
