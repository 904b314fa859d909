-- Invitations to a team by an email with a link. Times are milliseconds since the epoch. The release
-- before has no invitations; the triggers end those of a member whom it removes or demotes.
CREATE TABLE team_invitations (
  id TEXT PRIMARY KEY, -- 'inv_...'
  team_id TEXT NOT NULL REFERENCES teams (team_id) ON DELETE CASCADE,
  email TEXT NOT NULL, -- in lower case
  role TEXT NOT NULL, -- 'member' or 'admin'
  invited_by TEXT, -- the user; NULL: an operator
  token_hash TEXT NOT NULL UNIQUE, -- SHA-256 in hex of the token in the link
  status TEXT NOT NULL, -- shared/accounts/rules/invitations.ts lists them
  accepted_by TEXT,
  created_at INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, -- when its newest link was made
  expires_at INTEGER NOT NULL,
  kept_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX team_invitations_open ON team_invitations (team_id, email)
WHERE status = 'open';
CREATE INDEX team_invitations_by_team ON team_invitations (team_id, created_at, id);
CREATE INDEX team_invitations_by_email ON team_invitations (email, created_at, id);
CREATE INDEX team_invitations_by_inviter ON team_invitations (invited_by, created_at, id);
CREATE INDEX team_invitations_by_age ON team_invitations (kept_until);

-- How many invitations were sent: of a team, by a user, to an address. It outlives them: otherwise
-- any number could be sent by revoking one.
CREATE TABLE invitation_emails (
  subject TEXT PRIMARY KEY, -- 'team:<id>', 'user:<id>', 'to:<address>' or 'to:<address> <team>'
  emails INTEGER NOT NULL, -- within the 24 hours from counted_from on
  counted_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX invitation_emails_by_age ON invitation_emails (counted_from);

-- Who may not invite any more has no open invitation.
CREATE TRIGGER invitations_of_removed AFTER DELETE ON team_members
BEGIN
  UPDATE team_invitations
  SET status = 'revoked',
    kept_until = CAST(unixepoch('subsec') * 1000 AS INTEGER) + 2592000000
  WHERE team_id = OLD.team_id AND status = 'open' AND invited_by = OLD.user_id;
END;

CREATE TRIGGER invitations_of_demoted AFTER UPDATE OF role ON team_members
WHEN NEW.role <> OLD.role AND NEW.role <> 'owner'
BEGIN
  UPDATE team_invitations
  SET status = 'revoked',
    kept_until = CAST(unixepoch('subsec') * 1000 AS INTEGER) + 2592000000
  WHERE team_id = NEW.team_id AND status = 'open' AND invited_by = NEW.user_id
    AND NOT (NEW.role = 'admin' AND role = 'member');
END;

CREATE TRIGGER webhook_invitation_created AFTER INSERT ON team_invitations
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('invitation.created', 'team:' || NEW.team_id, NEW.created_at,
          json_object('invitationId', NEW.id, 'teamId', NEW.team_id, 'email', NEW.email,
                      'role', NEW.role));
END;

CREATE TRIGGER webhook_invitation_settled AFTER UPDATE OF status ON team_invitations
WHEN NEW.status <> OLD.status AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('invitation.' || NEW.status, 'team:' || NEW.team_id,
          CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_patch(
            json_object('invitationId', NEW.id, 'teamId', NEW.team_id, 'email', NEW.email,
                        'role', NEW.role),
            json_object('userId', NEW.accepted_by)));
END;
