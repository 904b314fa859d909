import * as v from "valibot";
import type { Result } from "../../lib/base/result.ts";
import type { Invalid } from "../../lib/worker/validate.ts";
import { pingKinds, type DownReason, type PingKind, type ShownStatus } from "./heartbeat.ts";

/**
 * What a heartbeat's object offers to Workers. The object that is named by a token decides the
 * state; D1 has what its owner wants. Fields of a later release are ignored.
 */

/** Of each ping so much of the body is kept. */
export const MAX_PING_BODY_BYTES = 10_000;
/** How many pings are kept. */
export const MAX_PINGS = 100;

const text = (maxLength: number) => v.pipe(v.string(), v.maxLength(maxLength));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const schedule = v.object({
  every: v.optional(text(20)),
  cron: v.optional(text(100)),
  timeZone: v.optional(text(50)),
});

/**
 * `revision`: a definition that is older than the stored one changes nothing. `pauseRevision`: of
 * the last request to pause or resume it, so that a change of its name does not pause it again.
 */
export const heartbeatDefinition = v.object({
  id: text(100),
  tenant: text(100),
  name: text(100),
  schedule,
  graceMs: count,
  isPaused: v.boolean(),
  pauseRevision: count,
  revision: count,
});
export type HeartbeatDefinition = v.InferOutput<typeof heartbeatDefinition>;

export const pingRequest = v.object({
  kind: v.picklist(pingKinds),
  rid: v.nullable(text(100)),
  exitStatus: v.nullable(count),
  method: text(10),
  body: text(MAX_PING_BODY_BYTES),
});
export type PingRequest = v.InferOutput<typeof pingRequest>;

/** `before`: the number of a ping; null for the newest ones. */
export const pingsPage = v.object({ limit: count, before: v.nullable(count) });

/** `lateFrom` and `downAt`: when it will be that without a ping. */
export type HeartbeatReply = {
  status: ShownStatus;
  lastPingAt: number | null;
  lastDurationMs: number | null;
  startedAt: number | null;
  lateFrom: number | null;
  downAt: number | null;
  down: { since: number; because: DownReason } | null;
  pings: number;
};

export type KeptPing = {
  n: number;
  at: number;
  kind: PingKind;
  rid: string | null;
  exitStatus: number | null;
  durationMs: number | null;
  method: string;
  body: string;
};

export interface HeartbeatRpc {
  define(definition: HeartbeatDefinition): Promise<Result<null, Invalid>>;
  /** `isKnown` is false if no heartbeat has this token. Nothing is stored then. */
  ping(ping: PingRequest): Promise<Result<{ isKnown: boolean }, Invalid>>;
  /** Null if no heartbeat has this token. */
  inspect(): Promise<HeartbeatReply | null>;
  /** Newest first. */
  listPings(page: v.InferOutput<typeof pingsPage>): Promise<Result<KeptPing[], Invalid>>;
  /**
   * Deletes everything. For a day the object records the deletion, so that a definition that was
   * sent before it changes nothing.
   */
  remove(): Promise<void>;
}
