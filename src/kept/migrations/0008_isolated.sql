-- What a row said whose personal fields were taken out of the company's table: sealed under the
-- key of the entry that leads to it, and gone with it.
CREATE TABLE isolated (
    entry bigint NOT NULL REFERENCES locator ON DELETE CASCADE,
    mac bytea NOT NULL,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (entry, mac)
);
