-- What an email with several recipients or with headers of its own has. The release before claims
-- no email that uses one of these: its `format` is 3. The defaults are those of an email without.

-- JSON object: the headers that its sender set.
ALTER TABLE email_contents ADD COLUMN headers TEXT;

-- Raised when outcomes change who still gets the email. With the generation it names a hand-over.
ALTER TABLE emails ADD COLUMN part INTEGER NOT NULL DEFAULT 1;

-- JSON: what was last observed for this recipient; NULL: as for the email.
ALTER TABLE email_recipients ADD COLUMN detail TEXT;

-- A replay, and a second sending of what was unknown, is for those who do not have the email: by
-- whichever release it is made. It is the first part of its generation.
CREATE TRIGGER emails_next_generation AFTER UPDATE OF generation ON emails
WHEN NEW.generation > OLD.generation AND NEW.format >= 3
BEGIN
  UPDATE email_recipients SET status = NULL, detail = NULL
  WHERE email_id = NEW.id AND status IN ('pending', 'refused');
  UPDATE emails SET part = 1 WHERE id = NEW.id;
END;
