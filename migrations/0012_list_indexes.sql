-- Every list of emails walks an index that has all of the list's filters, in the order that it shows. A list by
-- status is by one of three that few emails have: these indexes stay small.
CREATE INDEX emails_by_tenant_recipient ON emails (tenant, LOWER(to_address), created_at, id);
CREATE INDEX emails_pinned_by_age ON emails (created_at, id) WHERE status = 'pinned';

-- SQLite uses these for a query that repeats the condition, word for word.
CREATE INDEX emails_troubled_by_tenant ON emails (tenant, status, created_at, id) WHERE status IN ('unknown', 'pinned', 'dead');
CREATE INDEX emails_troubled_by_recipient ON emails (LOWER(to_address), status, created_at, id) WHERE status IN ('unknown', 'pinned', 'dead');
CREATE INDEX emails_troubled_by_tenant_recipient ON emails (tenant, LOWER(to_address), status, created_at, id)
WHERE status IN ('unknown', 'pinned', 'dead');
