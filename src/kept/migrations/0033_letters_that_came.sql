-- Mail goes out in the order in which it is due, and what counts against an address is found by it.
DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (next_at, number) WHERE outcome IS NULL;
CREATE INDEX intake_code_mac ON intake_code (mac);
-- The scan of a letter that came, sealed under the key of its request, until that has ended.
CREATE TABLE intake_scan (
    scan bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint NOT NULL REFERENCES intake ON DELETE CASCADE,
    form text NOT NULL,
    sealed bytea NOT NULL,
    added_at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor
);
CREATE INDEX intake_scan_number ON intake_scan (number);
CREATE INDEX intake_scan_actor ON intake_scan (actor);
