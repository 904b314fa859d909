-- Metadata and suspension of users, and their lists by the last change. Times are milliseconds since
-- the epoch. The release before does not refuse a suspended user, and sends their emails.
ALTER TABLE users ADD COLUMN metadata TEXT; -- JSON; NULL: none
ALTER TABLE users ADD COLUMN suspended_at INTEGER; -- NULL: not suspended
ALTER TABLE users ADD COLUMN suspended_reason TEXT;

CREATE INDEX users_by_change ON users (updated_at, user_id) WHERE deleted_at IS NULL;
CREATE INDEX users_by_id ON users (user_id) WHERE deleted_at IS NULL;

CREATE TRIGGER webhook_user_suspended AFTER UPDATE OF suspended_at ON users
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.deleted_at IS NULL
  AND (NEW.suspended_at IS NULL) <> (OLD.suspended_at IS NULL)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES (iif(NEW.suspended_at IS NULL, 'user.resumed', 'user.suspended'), 'user:' || NEW.user_id,
          NEW.updated_at,
          json_object('userId', NEW.user_id, 'email', NEW.email, 'tier', NEW.tier));
END;

-- A change of metadata alone: other changes have the event of 0032.
CREATE TRIGGER webhook_user_metadata AFTER UPDATE OF metadata ON users
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.deleted_at IS NULL
  AND NEW.metadata IS NOT OLD.metadata AND NEW.email IS OLD.email AND NEW.tier = OLD.tier
  AND NEW.scopes = OLD.scopes
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('user.updated', 'user:' || NEW.user_id, NEW.updated_at,
          json_object('userId', NEW.user_id, 'email', NEW.email, 'tier', NEW.tier));
END;
