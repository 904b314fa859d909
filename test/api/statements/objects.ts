import { newHeartbeat } from "../../../shared/heartbeats/rules/heartbeat.ts";
import * as heartbeat from "../../../shared/heartbeats/stored-heartbeat.ts";
import * as entries from "../../../shared/lib/cache/tags/object/stored-entries.ts";
import * as reclaims from "../../../shared/lib/cache/tags/object/stored-reclaims.ts";
import * as tags from "../../../shared/lib/cache/tags/object/stored-tags.ts";
import * as announcement from "../../../shared/lib/circuit-breaker/object/stored-announcement.ts";
import * as breaker from "../../../shared/lib/circuit-breaker/object/stored-breaker.ts";
import { initialBreaker } from "../../../shared/lib/circuit-breaker/rules/phase.ts";
import * as deadlines from "../../../shared/schedule/watchdog/stored-deadlines.ts";
import * as unrecorded from "../../../shared/schedule/watchdog/stored-unrecorded.ts";
import * as breakers from "../../../shared/telemetry/stored-breakers.ts";
import * as series from "../../../shared/telemetry/stored-series.ts";
import { LIMIT, now } from "./cases.ts";

/** The statements that Durable Objects run in their own storage. Each begins with its tables. */

export type ObjectCases = Record<string, (sql: SqlStorage) => unknown>;

const stored = { key: "user:ada", seq: 1, expiresAt: now, tags: ["user:ada", "team:1"] };
const bytes = new TextEncoder().encode("user:ada").buffer as ArrayBuffer;
const meta = { generation: "g", seq: 1, floor: 0, softFloor: 0 };
const reclaim = { id: bytes, tag: "user:ada", seq: 1, after: "" };

const ofTagIndex: ObjectCases = {
  createTagTables: (sql) => tags.createTagTables(sql),
  loadMeta: (sql) => tags.loadMeta(sql, "g"),
  saveMeta: (sql) => tags.saveMeta(sql, meta),
  "savePurge: hard": (sql) =>
    tags.savePurge(sql, { tags: ["user:ada"], mode: "hard", seq: 1, now }),
  "savePurge: soft": (sql) =>
    tags.savePurge(sql, { tags: ["user:ada"], mode: "soft", seq: 1, now }),
  purgesSince: (sql) => tags.purgesSince(sql, 0, LIMIT),
  purgesOf: (sql) => tags.purgesOf(sql, ["user:ada"]),
  saveStored: (sql) => entries.saveStored(sql, [stored]),
  "keysUnder: everything": (sql) => entries.keysUnder(sql, "*", "", LIMIT),
  "keysUnder: a pattern": (sql) => entries.keysUnder(sql, "user:*", "", LIMIT),
  "keysUnder: a tag": (sql) => entries.keysUnder(sql, "user:ada", "", LIMIT),
  countUnder: (sql) => entries.countUnder(sql, ["user:ada", "user:*"], LIMIT),
  readTagInspection: (sql) =>
    entries.readTagInspection(sql, meta, { tag: "user:ada", limit: LIMIT, after: "" }),
  saveReclaims: (sql) => reclaims.saveReclaims(sql, ["user:ada"], 1),
  endOfPage: (sql) => reclaims.endOfPage(sql, new ArrayBuffer(0), LIMIT),
  listReclaims: (sql) =>
    reclaims.listReclaims(sql, { from: new ArrayBuffer(0), upTo: bytes, limit: LIMIT }),
  hasReclaims: (sql) => reclaims.hasReclaims(sql),
  advanceReclaim: (sql) => reclaims.advanceReclaim(sql, reclaim, "user:a"),
  deleteReclaim: (sql) => reclaims.deleteReclaim(sql, reclaim),
  deleteUnused: (sql) => reclaims.deleteUnused(sql, new ArrayBuffer(0), bytes),
  deleteReclaims: (sql) => reclaims.deleteReclaims(sql, LIMIT),
  deleteEntries: (sql) => entries.deleteEntries(sql, [stored]),
  deleteSoonest: (sql) => entries.deleteSoonest(sql, now, LIMIT),
  deleteOldTags: (sql) => tags.deleteOldTags(sql, now + 1, LIMIT),
  isEmpty: (sql) => tags.isEmpty(sql),
};

const ofBreaker: ObjectCases = {
  createBreakerTables: (sql) => breaker.createBreakerTables(sql),
  loadBreaker: (sql) => breaker.loadBreaker(sql),
  saveBreaker: (sql) => breaker.saveBreaker(sql, initialBreaker),
  saveTransition: (sql) =>
    breaker.saveTransition(sql, {
      at: now,
      from: "CLOSED",
      to: "OPEN",
      epoch: 1,
      cause: "threshold",
      actor: "system",
    }),
  saveThresholds: (sql) => breaker.saveThresholds(sql, { failures: 5 }),
  "saveThresholds: none": (sql) => breaker.saveThresholds(sql, null),
  loadThresholds: (sql) => breaker.loadThresholds(sql),
  listTransitions: (sql) => breaker.listTransitions(sql, LIMIT),
  currentOutage: (sql) => breaker.currentOutage(sql),
  createAnnouncementTable: (sql) => announcement.createAnnouncementTable(sql),
  loadAnnounced: (sql) => announcement.loadAnnounced(sql),
  saveAnnounced: (sql) => announcement.saveAnnounced(sql, "database", { taken: "{}", at: now }),
};

const announced = {
  name: "database",
  object: "o",
  epoch: 1,
} as Parameters<typeof breakers.registerBreaker>[1];
const ofTelemetry: ObjectCases = {
  createBreakerRegistry: (sql) => breakers.createBreakerRegistry(sql),
  registerBreaker: (sql) => breakers.registerBreaker(sql, announced, now),
  "registerBreaker: refused": (sql) =>
    breakers.registerBreaker(sql, { ...announced, name: null }, now),
  readRegistered: (sql) => breakers.readRegistered(sql, now),
  countRefused: (sql) => breakers.countRefused(sql, now),
  createSeriesTables: (sql) => series.createSeriesTables(sql),
  saveReport: (sql) => series.saveReport(sql, "isolate", { requests: 1 }, now),
  foldEnded: (sql) => series.foldEnded(sql, now),
  readTotals: (sql) => series.readTotals(sql),
  countIsolates: (sql) => series.countIsolates(sql),
  saveReportedAt: (sql) => series.saveReportedAt(sql, "api", now),
  readReportedAt: (sql) => series.readReportedAt(sql),
  addToPoint: (sql) => series.addToPoint(sql, 60_000, now, { requests: 1 }),
  readPoints: (sql) => series.readPoints(sql, 60_000, 0),
  deletePoints: (sql) => series.deletePoints(sql, 60_000, 0),
};

const watched = { task: "backup", dueBy: now };
const ofWatchdog: ObjectCases = {
  createUnrecordedTable: (sql) => unrecorded.createUnrecordedTable(sql),
  readUnrecorded: (sql) => unrecorded.readUnrecorded(sql),
  saveUnrecorded: (sql) => unrecorded.saveUnrecorded(sql, { key: "k", summary: "" }, now),
  markUnrecordedNotified: (sql) => unrecorded.markUnrecordedNotified(sql, "k", now),
  forgetUnrecorded: (sql) => unrecorded.forgetUnrecorded(sql, "k"),
  createDeadlineTables: (sql) => deadlines.createDeadlineTables(sql),
  saveWatched: (sql) => deadlines.saveWatched(sql, [watched]),
  readWatched: (sql) => deadlines.readWatched(sql),
  ...Object.fromEntries(
    (["told", "told_directly", "told_by_d1"] as const).flatMap((table) => [
      [`readNotifiedTasks: ${table}`, (sql) => deadlines.readNotifiedTasks(sql, table)],
      [`saveNotified: ${table}`, (sql) => deadlines.saveNotified(sql, table, watched)],
      [`deleteNotified: ${table}`, (sql) => deadlines.deleteNotified(sql, table, "backup")],
    ]) satisfies [string, ObjectCases[string]][],
  ),
  recoveringSince: (sql) => deadlines.recoveringSince(sql, "backup"),
  saveRecovering: (sql) => deadlines.saveRecovering(sql, "backup", now),
  "saveRecovering: none": (sql) => deadlines.saveRecovering(sql, "backup", null),
};

const definition = {
  id: "hb_1",
  tenant: "user:ada",
  name: "backup",
  schedule: { every: "1d" },
  graceMs: 1,
  isPaused: false,
  pauseRevision: 0,
  revision: 1,
};
const ping = {
  at: now,
  kind: "success",
  rid: null,
  exitStatus: null,
  durationMs: null,
  method: "GET",
  body: "",
} as const;

const ofHeartbeat: ObjectCases = {
  createHeartbeatTables: (sql) => heartbeat.createHeartbeatTables(sql),
  saveHeartbeat: (sql) =>
    heartbeat.saveHeartbeat(sql, { definition, state: newHeartbeat }, [
      { at: now, to: "down", because: "late" },
    ]),
  readHeartbeat: (sql) => heartbeat.readHeartbeat(sql),
  savePing: (sql) => heartbeat.savePing(sql, ping),
  countPings: (sql) => heartbeat.countPings(sql),
  readPings: (sql) => heartbeat.readPings(sql, null, LIMIT),
  readFlips: (sql) => heartbeat.readFlips(sql),
  markFlipNotified: (sql) => heartbeat.markFlipNotified(sql, 1),
  markFlipReported: (sql) => heartbeat.markFlipReported(sql, 1, now),
  reportsSince: (sql) => heartbeat.reportsSince(sql, 0, now),
  dropEarlierFlips: (sql) => heartbeat.dropEarlierFlips(sql),
  saveRetryAt: (sql) => heartbeat.saveRetryAt(sql, now),
  readRetryAt: (sql) => heartbeat.readRetryAt(sql),
  saveEnd: (sql) => heartbeat.saveEnd(sql, now),
  readEnd: (sql) => heartbeat.readEnd(sql),
};

export const objectCases: ObjectCases = {
  ...ofTagIndex,
  ...ofBreaker,
  ...ofTelemetry,
  ...ofWatchdog,
  ...ofHeartbeat,
};
