-- Who emails may come from besides EMAIL_FROM. Times are milliseconds since the epoch. The release
-- before knows no senders: it sends an email as its row has it, and claims none whose sender names
-- an order of transports, since the `format` of that is 4.
CREATE TABLE senders (
  id TEXT PRIMARY KEY,
  identity TEXT NOT NULL, -- an address, or a domain for all addresses in it: in ASCII, the domain in lower case
  tenant TEXT NOT NULL, -- who may use it; '': each tenant
  name TEXT, -- shown where an email gives none
  transport_order TEXT NOT NULL DEFAULT '[]', -- JSON array; '[]': as configured
  challenge TEXT, -- what the TXT record of a domain must have; NULL: of an address, or of an operator
  token_hash TEXT UNIQUE, -- SHA-256 in hex of the token in the link to an address
  link_expires_at INTEGER,
  checked_at INTEGER, -- when its DNS was last asked
  verified_at INTEGER, -- NULL: pending, so that no email may name it
  verified_by TEXT, -- 'operator', 'link' or 'dns'
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX senders_by_identity ON senders (identity, tenant);
CREATE INDEX senders_by_age ON senders (created_at, id);
CREATE INDEX senders_by_tenant ON senders (tenant, created_at, id);

-- How many links to verify addresses a tenant was sent. It outlives its senders: otherwise a tenant
-- could send any number by making and deleting one.
CREATE TABLE sender_links (
  tenant TEXT PRIMARY KEY,
  links INTEGER NOT NULL, -- within the 24 hours from counted_from on
  counted_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The sender that an email named, which may be deleted by now, and its order of transports then.
ALTER TABLE emails ADD COLUMN sender_id TEXT;
ALTER TABLE emails ADD COLUMN transport_order TEXT;
