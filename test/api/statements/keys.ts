import * as keys from "../../../shared/accounts/sql/api-keys.ts";
import * as holders from "../../../shared/accounts/sql/key-holders.ts";
import * as suspensions from "../../../shared/accounts/sql/suspensions.ts";
import { expiring, now, own, type Cases } from "./cases.ts";

/** The statements of API keys, except those of lists. */

const owner = `user:${own.user}`;
const owned = { id: own.key, owner };
const secret = (name: string) => ({ key: `luna_live_${name}`, hash: `h-${name}`, prefix: "p" });
const purge = () => ({ purgeId: crypto.randomUUID(), now, notice: [] });
const wanted = (id: string): keys.KeyToInsert => ({
  id,
  owner,
  name: "Key",
  scopes: ["users:read"],
  role: null,
  test: false,
  createdBy: owner,
  expiresAt: null,
  secret: secret(id),
});
const keyed = {
  tenant: owner,
  operation: "createUserKey",
  key: "k",
  requestHash: "h",
  requestId: "r",
};

export const ofSuspensions: Cases = {
  suspend: (db) => suspensions.suspend(db, own.other, "a test", { purgeId: "s-1", now }),
  resume: (db) => suspensions.resume(db, own.other, { purgeId: "s-2", now }),
};

export const ofKeys: Cases = {
  insertKey: (db) => keys.insertKey(db, wanted("key_1"), null, { now, notice: [] }),
  "insertKey: keyed": (db) => keys.insertKey(db, wanted("key_2"), keyed, { now, notice: [] }),
  findKey: (db) => keys.findKey(db, owned),
  findKeyByHash: (db) => keys.findKeyByHash(db, "h-key_1"),
  findHolderOf: (db) => holders.findHolderOf(db, "hash-of-key"),
  "findHolderOf: of a team": (db) => holders.findHolderOf(db, "hash-of-team"),
  rotateKey: (db) =>
    keys.rotateKey(db, owned, { secret: secret("rotated"), overlapMs: 1 }, purge()),
  "deleteKey: another": (db) => keys.deleteKey(db, { id: "key_2", owner }, purge()),
  noteUsed: (db) => keys.noteUsed(db, own.key, now),
  ...expiring("expiredKeys", keys.expiredKeys),
};
