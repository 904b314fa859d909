import * as v from "valibot";
import { downReasons, pingKinds, shownStatuses } from "../heartbeats/rules/heartbeat.ts";
import { heartbeatSchedule, MAX_MS } from "../heartbeats/rules/schedule.ts";
import { cursorWith, pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { trimmedLine } from "../lib/worker/one-line.ts";
import { count, operation, page } from "./operation.ts";

const tag = "heartbeats";
const heartbeatId = v.pipe(v.string(), v.regex(/^hb_[0-9a-f]{32}$/));
const params = { heartbeatId: { schema: heartbeatId, names: "heartbeat" } };

const name = trimmedLine(100);
const MAX_SECONDS = MAX_MS / 1_000;
const graceSeconds = v.pipe(
  v.number("must be a number"),
  v.integer("must be a whole number"),
  v.minValue(60, "must be at least 60"),
  v.maxValue(MAX_SECONDS, `must be at most ${MAX_SECONDS}`),
);

const newHeartbeatBody = v.strictObject({ name, schedule: heartbeatSchedule, graceSeconds });
const heartbeatChanges = v.pipe(
  v.strictObject({
    name: v.optional(name),
    schedule: v.optional(heartbeatSchedule),
    graceSeconds: v.optional(graceSeconds),
  }),
  v.minEntries(1, "must change at least one of name, schedule, graceSeconds"),
);

/**
 * `pingUrl`: for a key that may manage heartbeats. `status`: unknown if its object does not answer.
 * `lateFrom`, `downAt`: when it will be that without a ping. `down`: since when, and why.
 */
const heartbeat = named("Heartbeat", {
  id: v.string(),
  tenant: v.string(),
  name: v.string(),
  schedule: v.strictObject({
    every: v.optional(v.string()),
    cron: v.optional(v.string()),
    timeZone: v.optional(v.string()),
  }),
  graceSeconds: count,
  pingUrl: v.optional(v.string()),
  status: v.picklist([...shownStatuses, "unknown"]),
  lastPingAt: v.optional(time),
  lastDurationMs: v.optional(count),
  startedAt: v.optional(time),
  lateFrom: v.optional(time),
  downAt: v.optional(time),
  down: v.optional(v.strictObject({ since: time, because: v.picklist(downReasons) })),
  pings: v.optional(count),
  createdAt: time,
  updatedAt: time,
});
export type HeartbeatAnswer = v.InferOutput<typeof heartbeat>;

/** `n`: its number. `durationMs`: of the run that it ended. `body`: up to 10 KB. */
const ping = named("HeartbeatPing", {
  n: count,
  at: time,
  kind: v.picklist(pingKinds),
  method: v.string(),
  exitStatus: v.optional(count),
  rid: v.optional(v.string()),
  durationMs: v.optional(count),
  body: v.optional(v.string()),
});
export type PingAnswer = v.InferOutput<typeof ping>;

const read = ["unavailable"] as const;
const write = ["unavailable", "outcome-unknown"] as const;

export const createHeartbeat = operation({
  id: "createHeartbeat",
  method: "POST",
  path: "/api/heartbeats",
  access: "caller",
  tag,
  summary:
    "Watch a job that runs elsewhere and pings pingUrl. If a ping is late, or reports a failure, " +
    "the owner is notified. A repeat under the Idempotency-Key answers 200 with the id.",
  idempotent: true,
  body: newHeartbeatBody,
  answers: { 200: v.strictObject({ id: v.string() }), 201: heartbeat },
  problems: ["wrong-state", "idempotency-key-reused", ...write],
});

export const listHeartbeats = operation({
  id: "listHeartbeats",
  method: "GET",
  path: "/api/heartbeats",
  access: "reader",
  tag,
  summary: "The caller's heartbeats, newest first. An operator gets those of all tenants.",
  query: v.strictObject(pageOf.entries),
  answers: { 200: page(heartbeat) },
  problems: read,
});

export const getHeartbeat = operation({
  id: "getHeartbeat",
  method: "GET",
  path: "/api/heartbeats/:heartbeatId",
  access: "reader",
  tag,
  summary: "A heartbeat with its state.",
  params,
  answers: { 200: heartbeat },
  problems: read,
});

export const updateHeartbeat = operation({
  id: "updateHeartbeat",
  method: "PATCH",
  path: "/api/heartbeats/:heartbeatId",
  access: "caller",
  tag,
  summary: "Change the name, schedule or grace of a heartbeat.",
  params,
  conditional: true,
  body: heartbeatChanges,
  answers: { 200: heartbeat },
  problems: write,
});

export const deleteHeartbeat = operation({
  id: "deleteHeartbeat",
  method: "DELETE",
  path: "/api/heartbeats/:heartbeatId",
  access: "caller",
  tag,
  summary: "Delete a heartbeat with its pings. Its pingUrl then answers 404.",
  params,
  answers: { 204: null },
  problems: write,
});

export const pauseHeartbeat = operation({
  id: "pauseHeartbeat",
  method: "POST",
  path: "/api/heartbeats/:heartbeatId/pause",
  access: "caller",
  tag,
  summary: "Pause a heartbeat: it expects no ping. The next ping resumes it.",
  params,
  answers: { 200: heartbeat },
  problems: write,
});

export const resumeHeartbeat = operation({
  id: "resumeHeartbeat",
  method: "POST",
  path: "/api/heartbeats/:heartbeatId/resume",
  access: "caller",
  tag,
  summary: "Resume a paused heartbeat. Like a new one, it expects nothing until its next ping.",
  params,
  answers: { 200: heartbeat },
  problems: write,
});

export const heartbeatHistory = operation({
  id: "heartbeatHistory",
  method: "GET",
  path: "/api/heartbeats/:heartbeatId/history",
  access: "reader",
  tag,
  summary: "The last 100 pings of a heartbeat, newest first.",
  params,
  query: v.strictObject({
    limit: pageOf.entries.limit,
    cursor: v.optional(cursorWith(/[1-9]\d{0,14}/)),
  }),
  answers: { 200: page(ping) },
  problems: read,
});

const token = {
  schema: v.pipe(v.string(), v.regex(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i)),
  names: "heartbeat",
};
const signal = {
  schema: v.pipe(v.string(), v.regex(/^(start|fail|log|0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$/)),
  names: "signal",
};
/** `rid`: the id of a run, a UUID that its client chose. Other fields of the query are ignored. */
const pingQuery = v.object({
  rid: v.optional(v.pipe(v.string(), v.uuid("must be a UUID"))),
});

/** What each ping has. */
const ofPings = {
  access: "anyone",
  tag,
  signed: true,
  query: pingQuery,
  answers: { 200: { mediaType: "text/plain" } },
  problems: ["rate-limited", "unavailable"],
} as const;
const success = {
  ...ofPings,
  path: "/ping/:token",
  params: { token },
  summary: "A ping, as healthchecks.io defines it: the job works, or has ended with success.",
} as const;
const signalled = {
  ...ofPings,
  path: "/ping/:token/:signal",
  params: { token, signal },
  summary:
    "A ping: start, fail, log, or the exit status of the job. 0 is success, any other a failure.",
} as const;

export const pingHeartbeat = operation({ id: "pingHeartbeat", method: "GET", ...success });
export const postPing = operation({ id: "postPing", method: "POST", ...success });
export const signalHeartbeat = operation({ id: "signalHeartbeat", method: "GET", ...signalled });
export const postSignal = operation({ id: "postSignal", method: "POST", ...signalled });
