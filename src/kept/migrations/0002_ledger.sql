-- The memory. Entries in order; `leaf` holds the canonical bytes that the tree is made of,
-- `kind` repeats the kind's number for look-ups.
CREATE TABLE ledger_entry (
    index bigint PRIMARY KEY CHECK (index >= 0),
    kind smallint NOT NULL,
    leaf bytea NOT NULL
);
-- Kinds below 1000 are rare; the others come in bulk and are not looked for by kind.
CREATE INDEX ledger_entry_rare ON ledger_entry (kind, index) WHERE kind < 1000;

-- Full tiles: 256 hashes each, and the root over them, which stands in the tile above.
CREATE TABLE ledger_tile (
    level smallint NOT NULL,
    index bigint NOT NULL,
    root bytea NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, index)
);
-- Hashes do not compress; do not try.
ALTER TABLE ledger_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- The head, one row: written by compare-and-swap, so that the tree has one history.
CREATE TABLE ledger_head (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    size bigint NOT NULL,
    root bytea NOT NULL,
    edge bytea NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ledger_head (size, root, edge) VALUES (0, sha256(''), '');

-- Signed heads (C2SP checkpoints), one per size.
CREATE TABLE ledger_checkpoint (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    note bytea NOT NULL
);

-- Against mistakes, not against an owner who means it: that is what the signatures are for.
CREATE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger only grows: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER ledger_entry_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows();
CREATE TRIGGER ledger_tile_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_tile
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows();
CREATE TRIGGER ledger_checkpoint_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE
    ON ledger_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows();
