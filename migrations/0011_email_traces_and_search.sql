-- The trace of the request that created the email: 32 hexadecimal digits. NULL: from a release
-- without traces.
ALTER TABLE emails ADD COLUMN trace_id TEXT;

-- For searches by recipient.
CREATE INDEX emails_by_recipient ON emails (LOWER(to_address), created_at, id);
