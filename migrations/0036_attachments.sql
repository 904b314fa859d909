-- Files that emails name by their ids. Times are milliseconds since the epoch. The bytes are in R2,
-- under attachments/<day of created_at>/<id>. A row is there before its object, and until after it.
CREATE TABLE attachments (
  id TEXT PRIMARY KEY, -- a UUID of version 7
  tenant TEXT NOT NULL, -- as in `emails`: only its emails may name the file
  status TEXT NOT NULL, -- 'uploading', 'stored' or 'deleting'
  filename TEXT NOT NULL,
  content_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT, -- 64 hexadecimal digits; NULL until it is stored
  created_at INTEGER NOT NULL,
  expires_at INTEGER -- from when on it is deleted; NULL while an email names it
) STRICT, WITHOUT ROWID;

CREATE INDEX attachments_expiring ON attachments (expires_at, id) WHERE expires_at IS NOT NULL;

-- Which emails with a content name a file. `email_contents.attachments` has how they name it.
CREATE TABLE email_attachments (
  email_id TEXT NOT NULL,
  attachment_id TEXT NOT NULL,
  PRIMARY KEY (email_id, attachment_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX email_attachments_by_file ON email_attachments (attachment_id);

CREATE TRIGGER attachments_named AFTER INSERT ON email_attachments
BEGIN
  UPDATE attachments SET expires_at = NULL WHERE id = NEW.attachment_id;
END;

-- Whichever release deletes the content. A file that no other email names expires now.
CREATE TRIGGER email_contents_deleted AFTER DELETE ON email_contents WHEN OLD.attachments IS NOT NULL
BEGIN
  DELETE FROM email_attachments WHERE email_id = OLD.email_id;
END;

CREATE TRIGGER attachments_unnamed AFTER DELETE ON email_attachments
BEGIN
  UPDATE attachments SET expires_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
  WHERE id = OLD.attachment_id
    AND NOT EXISTS (SELECT 1 FROM email_attachments WHERE attachment_id = OLD.attachment_id);
END;

-- How far the search for objects without a row has come.
INSERT INTO task_cursors (name, scope, at, id, finished) VALUES ('attachment-orphans', '', 0, '', 0);
