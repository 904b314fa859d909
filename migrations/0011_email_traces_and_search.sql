-- The trace of the request that brought a mail: 32 hexadecimal digits. NULL: accepted by a release that kept none.
ALTER TABLE emails ADD COLUMN trace_id TEXT;

-- An operator looks for the mails of one recipient.
CREATE INDEX emails_by_recipient ON emails (LOWER(to_address), created_at, id);
