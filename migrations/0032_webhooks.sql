-- Webhooks to others: endpoints, the outbox of events, and deliveries at least once. Only tables,
-- indexes and triggers are added. The triggers write the events of each release that runs.
-- Times are milliseconds since the epoch.
CREATE TABLE webhook_endpoints (
  id TEXT PRIMARY KEY, -- 'we_...'
  tenant TEXT NOT NULL, -- 'admin' or 'user:<id>'; those of 'admin' get the events of every tenant
  url TEXT NOT NULL,
  description TEXT,
  events TEXT NOT NULL, -- JSON array of patterns, as in webhook_subscriptions
  secret TEXT NOT NULL, -- encrypted under SECRETS_KEY, as the next
  previous_secret TEXT, -- signs too until previous_until
  previous_until INTEGER,
  paused_because TEXT, -- 'requested', 'failing' or 'gone'; NULL: not paused
  paused_at INTEGER,
  owner_notified INTEGER NOT NULL DEFAULT 1, -- 0: the owner is to get an email about the pause
  failures INTEGER NOT NULL DEFAULT 0, -- calls that failed in a row
  failing_since INTEGER,
  not_before INTEGER, -- no call begins before this
  slow INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_endpoints_by_age ON webhook_endpoints (created_at, id);
CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant, created_at, id);
CREATE INDEX webhook_endpoints_to_notify ON webhook_endpoints (paused_at) WHERE owner_notified = 0;

-- Which endpoints get which events. Empty while there is no endpoint: then no event is written.
CREATE TABLE webhook_subscriptions (
  tenant TEXT NOT NULL,
  pattern TEXT NOT NULL, -- '*', '<domain>.*' or the type of an event
  endpoint_id TEXT NOT NULL,
  PRIMARY KEY (tenant, pattern, endpoint_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER webhook_endpoints_inserted AFTER INSERT ON webhook_endpoints
BEGIN
  INSERT INTO webhook_subscriptions (tenant, pattern, endpoint_id)
  SELECT NEW.tenant, value, NEW.id FROM json_each(NEW.events);
END;

CREATE TRIGGER webhook_endpoints_updated AFTER UPDATE OF events ON webhook_endpoints
WHEN OLD.events <> NEW.events
BEGIN
  DELETE FROM webhook_subscriptions
  WHERE tenant = OLD.tenant AND endpoint_id = OLD.id
    AND pattern IN (SELECT value FROM json_each(OLD.events));
  INSERT INTO webhook_subscriptions (tenant, pattern, endpoint_id)
  SELECT NEW.tenant, value, NEW.id FROM json_each(NEW.events);
END;

CREATE TRIGGER webhook_endpoints_deleted AFTER DELETE ON webhook_endpoints
BEGIN
  DELETE FROM webhook_subscriptions
  WHERE tenant = OLD.tenant AND endpoint_id = OLD.id
    AND pattern IN (SELECT value FROM json_each(OLD.events));
END;

CREATE TABLE webhook_events (
  n INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: deliveries refer to it
  id TEXT NOT NULL, -- 'evt_...': the webhook-id of each call
  type TEXT NOT NULL,
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL,
  data TEXT NOT NULL, -- JSON
  endpoint_id TEXT, -- of a test event: its only receiver
  pending INTEGER NOT NULL DEFAULT 1 -- 1: its deliveries are not written yet
) STRICT;

CREATE INDEX webhook_events_pending ON webhook_events (n) WHERE pending = 1;
CREATE INDEX webhook_events_by_age ON webhook_events (at);

-- Where each write puts its event. It is kept only if an endpoint subscribes to it.
CREATE VIEW webhook_outbox AS SELECT type, tenant, at, data FROM webhook_events;

CREATE TRIGGER webhook_outbox_inserted INSTEAD OF INSERT ON webhook_outbox
WHEN EXISTS (
  SELECT 1 FROM webhook_subscriptions s WHERE s.tenant IN (NEW.tenant, 'admin')
    AND s.pattern IN ('*', substr(NEW.type, 1, instr(NEW.type, '.')) || '*', NEW.type))
BEGIN
  INSERT INTO webhook_events (id, type, tenant, at, data)
  VALUES ('evt_' || lower(hex(randomblob(16))), NEW.type, NEW.tenant, NEW.at, NEW.data);
END;

-- Deliveries to others: of events to endpoints, and of what further kinds there will be.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY, -- of an event: '<its id>.<id of the endpoint>'
  kind TEXT NOT NULL, -- 'webhook'
  target TEXT NOT NULL, -- of a webhook: the endpoint
  type TEXT NOT NULL, -- of a webhook: the type of the event
  event INTEGER, -- of a webhook: `n` of webhook_events
  generation INTEGER NOT NULL DEFAULT 1, -- raised by each replay
  status TEXT NOT NULL, -- shared/webhooks/rules/delivery.ts lists them
  attempts INTEGER NOT NULL DEFAULT 0, -- in this generation
  first_at INTEGER, -- when the first attempt of this generation began
  due_at INTEGER NOT NULL,
  lease_token TEXT,
  lease_expires_at INTEGER,
  reason TEXT, -- why it is dead
  log TEXT NOT NULL DEFAULT '[]', -- JSON: the last attempts, each with the answer
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_due ON deliveries (target, due_at, id) WHERE status = 'pending';
CREATE INDEX deliveries_in_flight ON deliveries (target, lease_expires_at)
WHERE status = 'delivering';
CREATE INDEX deliveries_by_target ON deliveries (target, created_at, id);
CREATE INDEX deliveries_dead ON deliveries (target, created_at, id) WHERE status = 'dead';
CREATE INDEX deliveries_by_age ON deliveries (created_at);

-- The events of each domain, in the batch of the write that they describe.
CREATE TRIGGER webhook_email_events AFTER INSERT ON email_events
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
  AND (instr(' sent delivered bounced complained suppressed dead unknown ',
             ' ' || NEW.type || ' ') > 0 -- a list of IN would be read with each statement
       OR (NEW.type IN ('queued', 'scheduled') AND NEW.generation = 1 AND NEW.n <= 1
           AND (SELECT COUNT(*) FROM email_events x WHERE x.email_id = NEW.email_id) = 1))
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  SELECT 'email.' || iif(NEW.type IN ('queued', 'scheduled'), 'accepted', NEW.type), e.tenant,
    NEW.at,
    json_patch(
      json_object(
        'emailId', e.id, 'generation', NEW.generation, 'from', e.from_address,
        'to', json((SELECT json_group_array(r.address) FROM email_recipients r
                    WHERE r.email_id = e.id AND r.kind = 'to')),
        'subject', e.subject, 'category', e.category, 'tags', json(e.tags)),
      json_object('detail', json(NEW.detail)))
  FROM emails e WHERE e.id = NEW.email_id;
END;

CREATE TRIGGER webhook_unsubscribed AFTER INSERT ON suppressions
WHEN NEW.reason = 'unsubscribe' AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('email.unsubscribed', 'admin', NEW.created_at,
          json_object('address', NEW.address, 'scope', NEW.scope));
END;

CREATE TRIGGER webhook_user_created AFTER INSERT ON users
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('user.created', 'user:' || NEW.user_id, NEW.created_at,
          json_object('userId', NEW.user_id, 'email', NEW.email, 'tier', NEW.tier));
END;

CREATE TRIGGER webhook_user_updated AFTER UPDATE OF email, tier, scopes, deleted_at ON users
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND OLD.deleted_at IS NULL
  AND (NEW.email IS NOT OLD.email OR NEW.tier <> OLD.tier OR NEW.scopes <> OLD.scopes
       OR NEW.deleted_at IS NOT NULL)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES (iif(NEW.deleted_at IS NULL, 'user.updated', 'user.deleted'), 'user:' || NEW.user_id,
          NEW.updated_at,
          json_object('userId', NEW.user_id, 'email', NEW.email, 'tier', NEW.tier));
END;

CREATE TRIGGER webhook_key_changed AFTER UPDATE OF api_key_hash ON users
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.api_key_hash IS NOT OLD.api_key_hash
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES (iif(NEW.api_key_hash IS NULL, 'api_key.revoked', 'api_key.created'),
          'user:' || NEW.user_id, NEW.updated_at,
          json_object('userId', NEW.user_id,
                      'apiKeyPrefix', COALESCE(NEW.api_key_prefix, OLD.api_key_prefix)));
END;

CREATE TRIGGER webhook_team_created AFTER INSERT ON teams
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('team.created', 'team:' || NEW.team_id, NEW.created_at,
          json_object('teamId', NEW.team_id, 'name', NEW.name));
END;

CREATE TRIGGER webhook_team_deleted AFTER DELETE ON teams
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('team.deleted', 'team:' || OLD.team_id, CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_object('teamId', OLD.team_id, 'name', OLD.name));
END;

CREATE TRIGGER webhook_member_added AFTER INSERT ON team_members
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('member.added', 'team:' || NEW.team_id, NEW.joined_at,
          json_object('teamId', NEW.team_id, 'userId', NEW.user_id, 'role', NEW.role));
END;

CREATE TRIGGER webhook_member_changed AFTER UPDATE OF role ON team_members
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.role <> OLD.role
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('member.changed', 'team:' || NEW.team_id, CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_object('teamId', NEW.team_id, 'userId', NEW.user_id, 'role', NEW.role));
END;

CREATE TRIGGER webhook_member_removed AFTER DELETE ON team_members
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('member.removed', 'team:' || OLD.team_id, CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_object('teamId', OLD.team_id, 'userId', OLD.user_id, 'role', OLD.role));
END;

CREATE TRIGGER webhook_trial_started AFTER INSERT ON subscriptions
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.status = 'trialing'
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('trial.started', 'user:' || NEW.user_id, NEW.started_at,
          json_object('userId', NEW.user_id, 'trialEndsAt',
                      strftime('%Y-%m-%dT%H:%M:%fZ', NEW.trial_ends_at / 1000.0, 'unixepoch')));
END;

CREATE TRIGGER webhook_trial_changed AFTER UPDATE OF status ON subscriptions
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
  AND (OLD.status = 'trialing') <> (NEW.status = 'trialing')
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES (iif(NEW.status = 'trialing', 'trial.started', 'trial.ended'), 'user:' || NEW.user_id,
          CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_object('userId', NEW.user_id, 'trialEndsAt',
                      strftime('%Y-%m-%dT%H:%M:%fZ', NEW.trial_ends_at / 1000.0, 'unixepoch')));
END;

CREATE TRIGGER webhook_alert_notified AFTER INSERT ON alert_notices
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('alert.notified', 'admin', NEW.at,
          json_object('key', NEW.key, 'kind', NEW.kind, 'summary', NEW.summary));
END;
