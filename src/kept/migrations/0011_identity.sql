-- Two numbers that are one person, because somebody settled it: by which identifier. Both ways.
CREATE TABLE identity_tie (
    subject bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    other bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    mac bytea NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (subject, other, mac),
    CHECK (subject <> other)
);
CREATE INDEX identity_tie_other ON identity_tie (other);

-- Every link and unlink that somebody made, with the state before; why, sealed under her key.
CREATE TABLE identity_event (
    turn bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    mac bytea NOT NULL,
    kind text NOT NULL,
    act text NOT NULL,
    before text,
    after text,
    words bytea NOT NULL,
    actor integer NOT NULL REFERENCES actor,
    at timestamptz NOT NULL
);
CREATE INDEX identity_event_subject ON identity_event (subject, mac);

-- Matches that a person has to decide. `pair`: keyed hash of both identifiers; what they are is
-- sealed under the key of the case that met them.
CREATE TABLE identity_doubt (
    pair bytea PRIMARY KEY,
    id text NOT NULL UNIQUE,
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    subject bigint REFERENCES subject ON DELETE CASCADE,
    mac bytea NOT NULL,
    other_mac bytea NOT NULL,
    reason text NOT NULL,
    kind text NOT NULL,
    other text NOT NULL,
    sealed bytea NOT NULL,
    met_at timestamptz NOT NULL,
    outcome text,
    words bytea,
    actor integer REFERENCES actor,
    settled_at timestamptz
);
CREATE INDEX identity_doubt_number ON identity_doubt (number);
CREATE INDEX identity_doubt_mac ON identity_doubt (mac);
CREATE INDEX identity_doubt_other ON identity_doubt (other_mac);
CREATE INDEX identity_doubt_subject ON identity_doubt (subject);

-- Until now `verified` was said of all that a request named, whichever of it had been checked: a
-- level that widens a search has to be recorded link by link.
UPDATE identity SET evidence = 'asserted' WHERE evidence = 'verified';
