-- A tenant's scheduled emails. Its queued ones are found by emails_by_turn, or in a page of
-- emails_by_tenant: an email that is sent at once writes a row less.
CREATE INDEX emails_scheduled_by_tenant ON emails (tenant, created_at, id) WHERE status = 'scheduled';
DROP INDEX emails_unsent_by_tenant;
