-- What an email with several recipients or with headers of its own has. The release before claims
-- no email that uses one of these: its `format` is 3. The defaults are those of an email without.

-- JSON object: the headers that its sender set.
ALTER TABLE email_contents ADD COLUMN headers TEXT;

-- Raised when outcomes change who still gets the email. With the generation it names a hand-over.
ALTER TABLE emails ADD COLUMN part INTEGER NOT NULL DEFAULT 1;

-- JSON: what was last observed for this recipient; NULL: as for the email.
ALTER TABLE email_recipients ADD COLUMN detail TEXT;
