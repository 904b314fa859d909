import { recordConditions } from "../alerts/watch.ts";
import { ADMIN_TENANT } from "../email/outbox.ts";
import { within } from "../lib/base/deadline.ts";
import { fanOut } from "../lib/worker/fan-out.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { getStub, type PlacementEnv } from "../lib/worker/placement.ts";
import type { Heartbeat } from "./object.ts";
import { alertKeyOf } from "./report-flip.ts";
import {
  deleteEndedHeartbeat,
  markDefined,
  pendingHeartbeats,
  type HeartbeatRow,
} from "./sql/heartbeats.ts";

/** Brings what D1 has of a heartbeat to its object. */

export type HeartbeatsEnv = PlacementEnv & {
  DB: D1Database;
  HEARTBEAT: DurableObjectNamespace<Heartbeat>;
};

const OBJECT_TIMEOUT_MS = 5_000;
/** Rows of one sweep. The next minute takes what is left. */
const LIMIT = 500;

export const heartbeatOf = (env: HeartbeatsEnv, token: string): DurableObjectStub<Heartbeat> =>
  getStub(env.HEARTBEAT, token, env);

/**
 * Defines or empties the object of a row.
 *
 * @returns whether that is done. The sweep repeats it until it is
 */
export async function applyToObject(
  env: HeartbeatsEnv,
  row: HeartbeatRow,
  now: number,
): Promise<boolean> {
  try {
    await (row.isEnded ? remove(env, row, now) : define(env, row));
    return true;
  } catch (error) {
    log("error", "heartbeat.not_applied", { heartbeatId: row.id, ...describeError(error) });
    return false;
  }
}

async function define(env: HeartbeatsEnv, row: HeartbeatRow): Promise<void> {
  const { id, token, tenant, name, schedule, graceMs, isPaused, pauseRevision, revision } = row;
  const definition = { id, tenant, name, schedule, graceMs, isPaused, pauseRevision, revision };
  const reply = await within(OBJECT_TIMEOUT_MS, heartbeatOf(env, token).define(definition));
  if (!reply.ok) throw new Error("the object refused the definition");
  await markDefined(env.DB, id, revision);
}

async function remove(env: HeartbeatsEnv, row: HeartbeatRow, now: number): Promise<void> {
  const { id, token, tenant, name } = row;
  await within(OBJECT_TIMEOUT_MS, heartbeatOf(env, token).remove());
  const key = alertKeyOf(id);
  if (tenant === ADMIN_TENANT) {
    const over = { resolvedReason: `the heartbeat ${name} was deleted`, isGone: true };
    const options = { now, newId: () => crypto.randomUUID(), recoveryMs: 0 };
    await recordConditions(
      env.DB,
      [{ key, holds: false, forMs: 0, summary: "", ...over }],
      options,
    );
  }
  await deleteEndedHeartbeat(env.DB, id, key);
}

/** Applies what a crash or an object that did not answer left behind. */
export async function applyPending(
  env: HeartbeatsEnv,
  now: number,
): Promise<{ applied: number; left: number }> {
  const rows = await pendingHeartbeats(env.DB, LIMIT);
  const applied = (await fanOut(rows, (row) => applyToObject(env, row, now))).filter(Boolean);
  return { applied: applied.length, left: rows.length - applied.length };
}
