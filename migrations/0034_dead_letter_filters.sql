-- Each filter of the list of dead letters has an index in the order of the list, so that it reads
-- what it shows, however many are kept.
ALTER TABLE dead_letters ADD COLUMN tenant TEXT; -- of its email; NULL for a poison message

-- Whichever release records it.
CREATE TRIGGER dead_letters_tenant AFTER INSERT ON dead_letters
WHEN NEW.kind = 'email' AND NEW.tenant IS NULL
BEGIN
  UPDATE dead_letters SET tenant = (SELECT tenant FROM emails WHERE id = NEW.id) WHERE id = NEW.id;
END;

-- A migration writes a bounded number of rows. Of more dead letters the older ones are not found by
-- their tenant, until they expire.
UPDATE dead_letters SET tenant = (SELECT tenant FROM emails WHERE emails.id = dead_letters.id)
WHERE id IN (SELECT id FROM dead_letters ORDER BY buried_at DESC, id DESC LIMIT 10000)
  AND kind = 'email';

CREATE INDEX dead_letters_by_kind ON dead_letters (kind, buried_at, id);
CREATE INDEX dead_letters_by_reason ON dead_letters (reason, buried_at, id);
CREATE INDEX dead_letters_by_tenant_and_reason ON dead_letters (tenant, reason, buried_at, id)
WHERE tenant IS NOT NULL;
-- After the index above: of two that it finds equally good, SQLite takes the one made first.
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, buried_at, id) WHERE tenant IS NOT NULL;
