-- The files of a tenant that no email names yet: how many there may be is limited. The release
-- before has no limit.
CREATE INDEX attachments_of_tenant ON attachments (tenant, expires_at, size_bytes)
WHERE expires_at IS NOT NULL;
