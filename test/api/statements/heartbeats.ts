import * as heartbeats from "../../../shared/heartbeats/sql/heartbeats.ts";
import { LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of `shared/heartbeats/sql`, except those of lists. */

const { heartbeat: id } = own;
const tenant = `user:${own.user}`;
const owned = { id, tenant };
const keyed = {
  tenant,
  operation: "createHeartbeat",
  key: "k",
  requestHash: "h",
  requestId: "r",
};
const heartbeat = (n: string): heartbeats.NewHeartbeat => ({
  id: `hb_${n}`,
  token: `token-${n}`,
  tenant,
  name: "Backup",
  schedule: { every: "1d" },
  graceMs: 60_000,
});
const flip = { at: now, to: "down", because: "late" } as const;

export const ofHeartbeats: Cases = {
  insertHeartbeat: (db) => heartbeats.insertHeartbeat(db, heartbeat("1"), null, now),
  "insertHeartbeat: keyed": (db) => heartbeats.insertHeartbeat(db, heartbeat("2"), keyed, now),
  findHeartbeat: (db) => heartbeats.findHeartbeat(db, id, tenant),
  saveHeartbeatChanges: (db) =>
    heartbeats.saveHeartbeatChanges(db, owned, { name: "Restore", isPaused: true }, now),
  pendingHeartbeats: (db) => heartbeats.pendingHeartbeats(db, LIMIT),
  markDefined: (db) => heartbeats.markDefined(db, id, 2),
  recordFlip: (db) => heartbeats.recordFlip(db, { id, n: 1, flip }),
  endHeartbeat: (db) => heartbeats.endHeartbeat(db, { id: "hb_2", tenant }, now),
  deleteEndedHeartbeat: (db) => heartbeats.deleteEndedHeartbeat(db, "hb_2", "heartbeat:hb_2"),
};
