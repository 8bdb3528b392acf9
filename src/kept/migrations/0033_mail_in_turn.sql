-- Mail goes out in the order in which it is due, and what counts against an address is found by it.
DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (next_at, number) WHERE outcome IS NULL;
CREATE INDEX intake_code_mac ON intake_code (mac);
