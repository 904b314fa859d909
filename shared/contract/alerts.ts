import * as v from "valibot";
import { severities } from "../alerts/rules/severity.ts";
import { silenceMatch } from "../alerts/rules/silences.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { oneLine, trimmedLine } from "../lib/worker/one-line.ts";
import { operation } from "./operation.ts";

const tag = "operations";
const severity = v.picklist(severities);
const KEY_LENGTH = 200;
const key = {
  schema: v.pipe(v.string(), v.maxLength(KEY_LENGTH)),
  names: "firing alert",
  encoded: true,
} as const;

const silence = named("AlertSilence", {
  id: v.string(),
  match: v.string(),
  reason: v.string(),
  createdBy: v.string(),
  startsAt: time,
  endsAt: time,
});

export const listAlerts = operation({
  id: "listAlerts",
  method: "GET",
  path: "/api/admin/alerts",
  access: "viewer",
  tag,
  summary:
    "Alerts that are firing, the latest notices, and the channels that are configured. emailAt " +
    "and webhookAt: when that channel took the latest notice; absent if it did not.",
  answers: {
    200: v.strictObject({
      firing: v.array(
        v.strictObject({
          key: v.string(),
          severity,
          summary: v.string(),
          since: time,
          firedAt: time,
          emailAt: v.optional(time),
          webhookAt: v.optional(time),
          clearSince: v.optional(time),
          flappingSince: v.optional(time),
          acknowledgedAt: v.optional(time),
          acknowledgedBy: v.optional(v.string()),
          silencedUntil: v.optional(time),
        }),
      ),
      notices: v.array(
        v.strictObject({
          id: v.string(),
          key: v.string(),
          severity,
          kind: v.picklist(["fired", "reminder", "flapping", "recovered"]),
          summary: v.string(),
          at: time,
          emailAt: v.optional(time),
          webhookAt: v.optional(time),
          isSilenced: v.boolean(),
        }),
      ),
      channels: v.array(v.picklist(["email", "webhook"])),
    }),
  },
  problems: ["unavailable"],
});

export const acknowledgeAlert = operation({
  id: "acknowledgeAlert",
  method: "POST",
  path: "/api/admin/alerts/:key/acknowledge",
  access: "admin",
  tag,
  summary:
    "Acknowledge a firing alert: it is not repeated daily. News, such as further dead letters, " +
    "and its recovery are still notified.",
  params: { key },
  answers: { 204: null },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});

export const unacknowledgeAlert = operation({
  id: "unacknowledgeAlert",
  method: "DELETE",
  path: "/api/admin/alerts/:key/acknowledge",
  access: "admin",
  tag,
  summary: "Withdraw an acknowledgement: the alert is notified daily again.",
  params: { key },
  answers: { 204: null },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});

export const listSilences = operation({
  id: "listSilences",
  method: "GET",
  path: "/api/admin/alerts/silences",
  access: "viewer",
  tag,
  summary: "Silences that hold now or begin later, in the order of their ends.",
  answers: { 200: v.strictObject({ items: v.array(silence) }) },
  problems: ["unavailable"],
});

export const silenceAlerts = operation({
  id: "silenceAlerts",
  method: "POST",
  path: "/api/admin/alerts/silences",
  access: "admin",
  tag,
  summary:
    "Silence alerts for up to 30 days, now or in a maintenance window that begins later. They " +
    "are still evaluated and shown, and nobody is notified. Those that fire at the end are " +
    "notified then.",
  idempotent: true,
  body: v.strictObject({
    match: silenceMatch,
    reason: trimmedLine(200),
    startsAt: v.optional(timestamp),
    endsAt: timestamp,
  }),
  answers: { 201: silence },
  problems: ["wrong-state", "idempotency-key-reused", "unavailable", "outcome-unknown"],
});

export const endSilence = operation({
  id: "endSilence",
  method: "DELETE",
  path: "/api/admin/alerts/silences/:silenceId",
  access: "admin",
  tag,
  summary: "End a silence now. Alerts that still fire are notified.",
  params: { silenceId: { schema: oneLine(64), names: "silence" } },
  answers: { 204: null },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});
