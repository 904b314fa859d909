-- What makes two requests the same under an Idempotency-Key: the hash of what they mean, beside that
-- of how they are written. NULL: a key of an earlier release, which goes by the latter alone.
ALTER TABLE idempotency_keys ADD COLUMN canonical_hash TEXT;

-- 1: without a text of its own an email gets the one made from its HTML, by each transport. 0: it was
-- accepted by an earlier release, which left that to some providers. A repeat under a provider's key
-- must have the same bytes.
ALTER TABLE emails ADD COLUMN text_from_html INTEGER NOT NULL DEFAULT 0;
