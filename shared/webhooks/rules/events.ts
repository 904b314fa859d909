import * as v from "valibot";
import { time } from "../../http/time.ts";
import { named } from "../../lib/worker/named.ts";
import { readTolerantly } from "../../lib/worker/tolerant.ts";

/**
 * Every event that an endpoint can subscribe to, with the schema of its `data`. A version only adds
 * optional fields; what would break a receiver is a new version of its own. Pure.
 */

const count = v.pipe(v.number(), v.integer());

/** `detail`: as in the timeline of the email. */
const emailData = named("EmailEventData", {
  emailId: v.string(),
  generation: count,
  from: v.string(),
  to: v.array(v.string()),
  subject: v.string(),
  category: v.string(),
  tags: v.array(v.string()),
  detail: v.optional(v.unknown()),
});
const unsubscribeData = named("UnsubscribeEventData", { address: v.string(), scope: v.string() });
const userData = named("UserEventData", {
  userId: v.string(),
  email: v.nullable(v.string()),
  tier: v.string(),
});
const keyData = named("ApiKeyEventData", {
  userId: v.string(),
  apiKeyPrefix: v.nullable(v.string()),
});
/** Of a key that is not the first one of a user. */
const furtherKeyData = named("KeyEventData", {
  keyId: v.string(),
  name: v.string(),
  prefix: v.string(),
});
const teamData = named("TeamEventData", { teamId: v.string(), name: v.string() });
const memberData = named("MemberEventData", {
  teamId: v.string(),
  userId: v.string(),
  role: v.string(),
});
const invitationData = named("InvitationEventData", {
  invitationId: v.string(),
  teamId: v.string(),
  email: v.string(),
  role: v.string(),
  userId: v.optional(v.string()),
});
const trialData = named("TrialEventData", { userId: v.string(), trialEndsAt: v.nullable(time) });
const alertData = named("AlertEventData", {
  key: v.string(),
  kind: v.string(),
  summary: v.string(),
});
const jobData = named("JobEventData", { job: v.string() });
const deadRunData = named("DeadRunEventData", {
  job: v.string(),
  runId: v.string(),
  generation: count,
  reason: v.string(),
});
const breakerData = named("BreakerEventData", { name: v.string() });
const heartbeatData = named("HeartbeatEventData", {
  heartbeatId: v.string(),
  name: v.string(),
  because: v.string(),
});
const testData = named("TestEventData", { endpointId: v.string() });

/** The schema of `data`, by type and version. */
const dataOf = {
  "email.accepted": emailData,
  "email.sent": emailData,
  "email.delivered": emailData,
  "email.bounced": emailData,
  "email.complained": emailData,
  "email.suppressed": emailData,
  "email.cancelled": emailData,
  "email.dead": emailData,
  "email.unknown": emailData,
  "email.unsubscribed": unsubscribeData,
  "user.created": userData,
  "user.updated": userData,
  "user.deleted": userData,
  "user.suspended": userData,
  "user.resumed": userData,
  "api_key.created": keyData,
  "api_key.revoked": keyData,
  "key.created": furtherKeyData,
  "key.rotated": furtherKeyData,
  "key.revoked": furtherKeyData,
  "team.created": teamData,
  "team.updated": teamData,
  "team.deleted": teamData,
  "member.added": memberData,
  "member.changed": memberData,
  "member.removed": memberData,
  "invitation.created": invitationData,
  "invitation.accepted": invitationData,
  "invitation.declined": invitationData,
  "invitation.revoked": invitationData,
  "trial.started": trialData,
  "trial.ended": trialData,
  "alert.notified": alertData,
  "job.failed": jobData,
  "job.recovered": jobData,
  "job.dead": deadRunData,
  "breaker.opened": breakerData,
  "breaker.closed": breakerData,
  "heartbeat.down": heartbeatData,
  "heartbeat.up": heartbeatData,
  "webhook.test": testData,
} as const;

export type EventType = keyof typeof dataOf;
export const eventTypes = Object.keys(dataOf) as [EventType, ...EventType[]];

/** Of every event so far. */
const EVENT_VERSION = 1;

const envelope = <const Type extends EventType>(type: Type) =>
  v.strictObject({
    type: v.literal(type),
    version: v.literal(EVENT_VERSION),
    /** When it happened. */
    timestamp: time,
    /** Whose event it is: the owner of the key, or `admin`. */
    tenant: v.string(),
    data: dataOf[type],
  });

/** The body of each event, by its type. */
export const eventSchemas = Object.fromEntries(
  eventTypes.map((type) => [type, envelope(type)]),
) as unknown as { [Type in EventType]: ReturnType<typeof envelope<Type>> };

/** Any event, distinguished by `type`. */
export type LunaEvent = {
  [Type in EventType]: v.InferOutput<ReturnType<typeof envelope<Type>>>;
}[EventType];

/** An event as the outbox has it. `data`: JSON. */
export type StoredEvent = { type: string; at: number; tenant: string; data: string };

/** The body of a call: the same text at each attempt, because its signature covers it. */
export function eventBody({ type, at, tenant, data }: StoredEvent): string {
  const timestamp = new Date(at).toISOString();
  const envelopeOf = { type, version: EVENT_VERSION, timestamp, tenant };
  return `${JSON.stringify(envelopeOf).slice(0, -1)},"data":${data}}`;
}

/**
 * Parses the body of a call, without what a later release added. Null for a type or version that
 * this release does not have.
 */
export function readEvent(body: unknown): LunaEvent | null {
  const { type } = v.is(v.object({ type: v.string() }), body) ? body : { type: "" };
  const schema = Object.hasOwn(eventSchemas, type) ? eventSchemas[type as EventType] : undefined;
  const parsed = schema === undefined ? null : readTolerantly(schema, body);
  return parsed?.success === true ? parsed.output : null;
}
