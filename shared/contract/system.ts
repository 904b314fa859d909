import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { count, operation, page } from "./operation.ts";

const tag = "operations";
const health = v.picklist(["ok", "degraded"]);

const tasksCheck = v.strictObject({
  status: health,
  overdue: v.array(v.strictObject({ task: v.string(), dueBy: time })),
  unreachable: v.optional(v.literal(true)),
});
const breakersCheck = v.strictObject({
  status: health,
  states: v.record(v.string(), v.string()),
  unreachable: v.array(v.string()),
});

export const getHealth = operation({
  id: "getHealth",
  method: "GET",
  path: "/health",
  access: "anyone",
  tag,
  summary: "Luna's health: ok, degraded, or down (503). It is down only when D1 does not answer.",
  answers: {
    200: v.strictObject({
      status: health,
      version: v.string(),
      checks: v.strictObject({
        database: v.strictObject({ status: v.literal("ok") }),
        breakers: breakersCheck,
        cache: v.strictObject({ status: health, owedPurges: count, oldestOwedSeconds: count }),
        tasks: tasksCheck,
        email: v.strictObject({
          status: health,
          oldestDueSeconds: count,
          scheduled: count,
          queued: count,
          pinned: count,
          due: count,
          inFlight: count,
          unknown: count,
          dead: count,
        }),
      }),
    }),
    503: v.strictObject({
      status: v.literal("down"),
      version: v.string(),
      checks: v.strictObject({
        database: v.strictObject({ status: v.literal("down") }),
        breakers: breakersCheck,
        tasks: tasksCheck,
      }),
    }),
  },
  problems: [],
});

export const getOpenApi = operation({
  id: "getOpenApi",
  method: "GET",
  path: "/openapi.json",
  access: "anyone",
  tag,
  summary: "This document.",
  answers: { 200: { mediaType: "application/json" } },
  problems: [],
});

export const getDocs = operation({
  id: "getDocs",
  method: "GET",
  path: "/docs",
  access: "anyone",
  tag,
  summary: "This document as a page.",
  answers: { 200: { mediaType: "text/html" } },
  problems: [],
});

export const getOperator = operation({
  id: "getOperator",
  method: "GET",
  path: "/api/admin/me",
  access: "viewer",
  tag,
  summary: "The caller, and whether they may write or only read.",
  answers: { 200: v.strictObject({ role: v.picklist(["admin", "viewer"]), actor: v.string() }) },
  problems: [],
});

export const listAlerts = operation({
  id: "listAlerts",
  method: "GET",
  path: "/api/admin/alerts",
  access: "viewer",
  tag,
  summary: "Alerts that are firing, and the latest notices.",
  answers: {
    200: v.strictObject({
      firing: v.array(
        v.strictObject({ key: v.string(), summary: v.string(), since: time, firedAt: time }),
      ),
      notices: v.array(
        v.strictObject({
          id: v.string(),
          key: v.string(),
          kind: v.picklist(["fired", "reminder", "recovered"]),
          summary: v.string(),
          at: time,
          emailAt: v.optional(time),
          webhookAt: v.optional(time),
        }),
      ),
    }),
  },
  problems: ["unavailable"],
});

export const listAudit = operation({
  id: "listAudit",
  method: "GET",
  path: "/api/admin/audit",
  access: "viewer",
  tag,
  summary: "Every write by an admin, newest first: who, what, when and how it ended.",
  query: v.strictObject({
    ...pageOf.entries,
    actor: v.optional(v.pipe(v.string(), v.maxLength(320, "is too long"))),
  }),
  answers: {
    200: page(
      v.strictObject({
        id: v.string(),
        at: time,
        actor: v.string(),
        operation: v.string(),
        path: v.string(),
        requestId: v.string(),
        status: v.nullable(count),
      }),
    ),
  },
  problems: ["unavailable"],
});
