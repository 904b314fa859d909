import * as deliveries from "../../../shared/webhooks/sql/deliveries.ts";
import * as endpoints from "../../../shared/webhooks/sql/endpoints.ts";
import * as events from "../../../shared/webhooks/sql/events.ts";
import * as waiting from "../../../shared/webhooks/sql/waiting.ts";
import * as work from "../../../shared/webhooks/sql/work.ts";
import { expiring, LIMIT, now, own, type Cases } from "./cases.ts";

/** The statements of `shared/webhooks/sql`, except those of lists. */

const { endpoint: id } = own;
const tenant = `user:${own.user}`;
const owned = { id, tenant };
const delivery = `evt_1.${id}`;
const keyed = {
  tenant,
  operation: "createWebhookEndpoint",
  key: "k",
  requestHash: "h",
  requestId: "r",
};
const endpoint = (n: string): endpoints.NewEndpoint => ({
  id: `we_${n}`,
  tenant,
  url: "https://example.com/",
  description: null,
  events: ["*"],
  secret: "s",
});

export const ofEndpoints: Cases = {
  insertEndpoint: (db) => endpoints.insertEndpoint(db, endpoint("1"), null, now),
  "insertEndpoint: keyed": (db) => endpoints.insertEndpoint(db, endpoint("2"), keyed, now),
  findEndpoint: (db) => endpoints.findEndpoint(db, id, tenant),
  saveEndpoint: (db) => endpoints.saveEndpoint(db, owned, { events: ["email.*"] }, now),
  pauseEndpoint: (db) => endpoints.pauseEndpoint(db, owned, now),
  resumeEndpoint: (db) => endpoints.resumeEndpoint(db, owned, now),
  replaceSecret: (db) =>
    endpoints.replaceSecret(db, owned, { secret: "t", previousUntil: now }, now),
  fanOutEvents: (db) => events.fanOutEvents(db, now, LIMIT),
  hasSubscriptions: (db) => events.hasSubscriptions(db),
  insertTestEvent: (db) =>
    events.insertTestEvent(db, { eventId: "evt_1", endpointId: id, tenant, keyed: null }, now),
  "insertTestEvent: keyed": (db) =>
    events.insertTestEvent(
      db,
      {
        eventId: "evt_2",
        endpointId: id,
        tenant,
        keyed: { ...keyed, operation: "testWebhookEndpoint" },
      },
      now,
    ),
  replayOne: (db) => deliveries.replayOne(db, { id: delivery, target: id }, now),
  replayDead: (db) =>
    deliveries.replayDead(db, { target: id, type: "email.sent", since: 0, until: now }, now, LIMIT),
  "deleteEndpoint: another": (db) => endpoints.deleteEndpoint(db, { id: "we_2", tenant }),
};

const settled = {
  status: "pending" as const,
  generation: 1,
  attempts: 1,
  firstAt: now,
  dueAt: now,
};
const recorded = [{ id: delivery, token: "t", settled, log: [] }];
const health = { failures: 1, failingSince: now, notBefore: null, slow: false };

export const ofWork: Cases = {
  claimDue: (db) =>
    work.claimDue(db, { endpointId: id, speed: "fast", token: "t", leaseExpiresAt: now }, now),
  recordCalls: (db) =>
    work.recordCalls(db, { endpointId: id, recorded, health, pause: "gone" }, now),
  expiredDeliveries: (db) => waiting.expiredDeliveries(db, now, LIMIT),
  recordExpired: (db) => waiting.recordExpired(db, recorded, now),
  waitingTargets: (db) => waiting.waitingTargets(db, "", LIMIT),
  speedsOf: (db) => waiting.speedsOf(db, [id]),
  endDeleted: (db) => waiting.endDeleted(db, id, now, LIMIT),
  pausedEndpoints: (db) => waiting.pausedEndpoints(db, LIMIT),
  markOwnersNotified: (db) => waiting.markOwnersNotified(db, [id]),
  ...expiring("oldDeliveries", deliveries.oldDeliveries),
  ...expiring("oldEvents", events.oldEvents),
};
