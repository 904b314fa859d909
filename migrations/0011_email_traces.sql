-- The trace of the request that brought a mail: 32 hexadecimal digits. NULL: accepted by a release that kept none.
ALTER TABLE emails ADD COLUMN trace_id TEXT;
