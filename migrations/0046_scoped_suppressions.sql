-- Suppressions of one tenant's emails or of one category. Times are milliseconds since the epoch.
--
-- `suppressions` keeps those of every tenant for all emails or for all that are not transactional:
-- the release before reads and writes it. It does not know this table. The trigger below obeys it
-- for each email that the release before accepts: its claim then finds the recipient suppressed.
CREATE TABLE scoped_suppressions (
  id TEXT PRIMARY KEY, -- 's_...': sorts after each number, which ids of `suppressions` are
  address TEXT NOT NULL, -- in lower case
  tenant TEXT NOT NULL, -- '': every tenant
  scope TEXT NOT NULL, -- 'all', 'non-transactional' or a category
  reason TEXT NOT NULL, -- 'bounce', 'complaint', 'unsubscribe' or 'manual'
  note TEXT,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX scoped_suppressions_by_address
ON scoped_suppressions (address, tenant, scope);
CREATE INDEX scoped_suppressions_by_age ON scoped_suppressions (created_at, id);
CREATE INDEX scoped_suppressions_by_tenant ON scoped_suppressions (tenant, created_at, id);
CREATE INDEX scoped_suppressions_by_scope ON scoped_suppressions (scope, created_at, id);
CREATE INDEX suppressions_by_age ON suppressions (created_at, id);
CREATE INDEX suppressions_by_scope ON suppressions (scope, created_at, id);

CREATE TRIGGER scoped_suppressions_at_accept AFTER INSERT ON email_recipients
WHEN NEW.status IS NULL AND EXISTS (
  SELECT 1 FROM scoped_suppressions AS s CROSS JOIN emails AS e ON e.id = NEW.email_id
  WHERE s.address = LOWER(NEW.address) AND +s.tenant IN ('', e.tenant)
    AND (s.scope = 'all'
         OR (e.category <> 'transactional' AND s.scope IN ('non-transactional', e.category))))
BEGIN
  UPDATE email_recipients SET status = 'suppressed'
  WHERE email_id = NEW.email_id AND n = NEW.n;
END;

-- What an import brings has a note, and no event: its people unsubscribed elsewhere, long ago.
DROP TRIGGER webhook_unsubscribed;
CREATE TRIGGER webhook_unsubscribed AFTER INSERT ON suppressions
WHEN NEW.reason = 'unsubscribe' AND NEW.note IS NULL
  AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('email.unsubscribed', 'admin', NEW.created_at,
          json_object('address', NEW.address, 'scope', NEW.scope));
END;

CREATE TRIGGER webhook_unsubscribed_of_scope AFTER INSERT ON scoped_suppressions
WHEN NEW.reason = 'unsubscribe' AND NEW.note IS NULL
  AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('email.unsubscribed', 'admin', NEW.created_at,
          json_object('address', NEW.address, 'scope', NEW.scope));
END;
