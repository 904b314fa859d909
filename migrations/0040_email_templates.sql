-- Templates of emails. Times are milliseconds since the epoch. The release before has only the
-- built-in ones, and records no template with an email.
CREATE TABLE email_templates (
  tenant TEXT NOT NULL, -- whose it is; '': each tenant may name it
  name TEXT NOT NULL,
  published_version INTEGER, -- NULL: none, so that no email may name it
  latest_version INTEGER NOT NULL,
  bytes INTEGER NOT NULL, -- of all its versions
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- A version never changes. `bytes` stands before the content, so that a sum reads no content.
CREATE TABLE email_template_versions (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL, -- from 1 on
  bytes INTEGER NOT NULL,
  author TEXT NOT NULL, -- who wrote it, as in the audit log
  created_at INTEGER NOT NULL,
  layout INTEGER NOT NULL, -- 1: the brand's layout stands around it
  subject TEXT NOT NULL,
  html TEXT NOT NULL,
  text TEXT, -- NULL: it is made of the HTML
  example TEXT NOT NULL -- JSON: data for a preview
) STRICT;

CREATE UNIQUE INDEX email_template_versions_by_number
  ON email_template_versions (tenant, name, version);

-- JSON: the template that the email named, with the version that it got.
ALTER TABLE emails ADD COLUMN template TEXT;

-- The templates of a deleted team are no one's.
CREATE TRIGGER team_templates_deleted AFTER DELETE ON teams BEGIN
  DELETE FROM email_template_versions WHERE tenant = 'team:' || OLD.team_id;
  DELETE FROM email_templates WHERE tenant = 'team:' || OLD.team_id;
END;
