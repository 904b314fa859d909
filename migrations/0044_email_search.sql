-- What emails are searched by beside status, tenant and recipient. Times are milliseconds since the
-- epoch. An email without tags that names no sender writes no row more than before.

-- Only of emails with tags. Triggers keep it, whichever release accepts or deletes the email.
CREATE TABLE email_tags (
  tag TEXT NOT NULL,
  created_at INTEGER NOT NULL, -- as in `emails`, for lists
  email_id TEXT NOT NULL,
  tenant TEXT NOT NULL, -- as in `emails`, for lists
  PRIMARY KEY (tag, created_at, email_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX email_tags_by_tenant ON email_tags (tenant, tag, created_at, email_id);

CREATE TRIGGER emails_tagged AFTER INSERT ON emails WHEN NEW.tags <> '[]'
BEGIN
  INSERT OR IGNORE INTO email_tags (tag, created_at, email_id, tenant)
  SELECT value, NEW.created_at, NEW.id, NEW.tenant FROM json_each(NEW.tags);
END;

CREATE TRIGGER emails_untagged AFTER DELETE ON emails WHEN OLD.tags <> '[]'
BEGIN
  DELETE FROM email_tags WHERE tag IN (SELECT value FROM json_each(OLD.tags))
    AND created_at = OLD.created_at AND email_id = OLD.id;
END;

-- A migration writes a bounded number of rows. Older emails are not found by their tags until they
-- are deleted.
INSERT OR IGNORE INTO email_tags (tag, created_at, email_id, tenant)
SELECT t.value, e.created_at, e.id, e.tenant
FROM (SELECT id, tenant, created_at, tags FROM emails ORDER BY created_at DESC, id DESC LIMIT 10000) AS e
CROSS JOIN json_each(iif(json_valid(e.tags), e.tags, '[]')) AS t;

-- The address in `from_address`, which is `hello@luna.example` or `Luna <hello@luna.example>`, in
-- lower case: what follows the last '<', without the '>' at the end.
ALTER TABLE emails ADD COLUMN sender_address TEXT GENERATED ALWAYS AS (
  LOWER(RTRIM(SUBSTR(from_address, LENGTH(RTRIM(from_address, REPLACE(from_address, '<', ''))) + 1), '>'))
) VIRTUAL;

-- Only of emails that name a sender: all others come from EMAIL_FROM.
CREATE INDEX emails_by_sender ON emails (sender_address, created_at, id) WHERE sender_id IS NOT NULL;
