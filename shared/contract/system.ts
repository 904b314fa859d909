import * as v from "valibot";
import { operatorRoles } from "../accounts/rules/key-scopes.ts";
import { pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { record } from "../lib/worker/record.ts";
import { count, operation, page } from "./operation.ts";

const tag = "operations";
const health = v.picklist(["ok", "degraded"]);

const tasksCheck = v.strictObject({
  status: health,
  overdue: v.array(v.strictObject({ task: v.string(), dueBy: time })),
  unreachable: v.optional(v.literal(true)),
});
/** `invalid`: names of variables that have their defaults meanwhile. */
const settingsCheck = v.strictObject({ status: health, invalid: v.array(v.string()) });
const breakersCheck = v.strictObject({
  status: health,
  states: record(v.string(), v.string()),
  unreachable: v.array(v.string()),
  registryUnread: v.optional(v.literal(true)),
});

export const getStart = operation({
  id: "getStart",
  method: "GET",
  path: "/",
  access: "anyone",
  tag,
  summary: "The release, its health, where to go from here, and a first call.",
  page: true,
  answers: {
    200: v.strictObject({
      name: v.string(),
      version: v.string(),
      status: v.picklist(["ok", "degraded", "down"]),
      links: v.strictObject({
        health: v.string(),
        docs: v.string(),
        openApi: v.string(),
        console: v.string(),
        runbooks: v.string(),
      }),
      /** Whether operators can sign in through Cloudflare Access instead of with a token. */
      accessSignIn: v.boolean(),
      firstCall: v.string(),
    }),
  },
  problems: [],
});

/** Each stops at 1,000. `atLeast` of the answer names those that did. */
const emailCounts = v.strictObject({
  scheduled: count,
  queued: count,
  pinned: count,
  due: count,
  inFlight: count,
  unknown: count,
  dead: count,
});

export const getHealth = operation({
  id: "getHealth",
  method: "GET",
  path: "/health",
  access: "anyone",
  tag,
  summary:
    "The health of this deployment: ok, degraded, or down (503). Down only if D1 does not " +
    "answer. Counts stop at 1,000; atLeast names those that did.",
  answers: {
    200: v.strictObject({
      status: health,
      version: v.string(),
      checks: v.strictObject({
        database: v.strictObject({
          status: health,
          sizeBytes: count,
          limitBytes: count,
          fullInDays: v.optional(count),
        }),
        breakers: breakersCheck,
        cache: v.strictObject({
          status: health,
          owedPurges: count,
          oldestOwedSeconds: count,
          atLeast: v.optional(v.array(v.literal("owedPurges"))),
        }),
        settings: settingsCheck,
        tasks: tasksCheck,
        email: v.strictObject({
          status: health,
          oldestDueSeconds: count,
          ...emailCounts.entries,
          atLeast: v.optional(v.array(v.keyof(emailCounts))),
          nextDueAt: v.optional(time),
        }),
      }),
    }),
    503: v.strictObject({
      status: v.literal("down"),
      version: v.string(),
      checks: v.strictObject({
        database: v.strictObject({ status: v.literal("down") }),
        breakers: breakersCheck,
        settings: settingsCheck,
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
  summary:
    "The operator who calls, with their role, or scoped for a key with scopes of its own, and " +
    "what they may do.",
  answers: {
    200: v.strictObject({
      role: v.picklist([...operatorRoles, "scoped"]),
      actor: v.string(),
      name: v.optional(v.string()),
      scopes: v.array(v.string()),
    }),
  },
  problems: [],
});

/** Absent: it did not exist, or is not known. */
const side = v.optional(v.nullable(v.union([v.string(), v.number(), v.boolean()])));

export const listAudit = operation({
  id: "listAudit",
  method: "GET",
  path: "/api/admin/audit",
  access: "viewer",
  tag,
  summary:
    "Every write by an operator, refused ones included, every read of personal data by one, and " +
    "what users did about the security of accounts, newest first: who, when, how it ended and " +
    "what changed. Addresses are hashes.",
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
        changes: v.array(v.strictObject({ field: v.string(), from: side, to: side })),
      }),
    ),
  },
  problems: ["unavailable"],
});
