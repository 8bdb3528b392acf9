-- What was corrected at a person's wish: where, the wrong value as a keyed hash, the right one
-- sealed under her key. By the hash it is seen when an import brings the wrong one back.
CREATE TABLE correction (
    subject bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    system text NOT NULL,
    dataset text NOT NULL,
    field text NOT NULL,
    wrong bytea NOT NULL,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (subject, system, dataset, field, wrong)
);
