-- Why a request was refused: a code of the table of reasons; the words stand sealed in its event.
ALTER TABLE rights_case ADD COLUMN refusal text;
-- Packages that wait to be fetched. Of the token and of the code keyed hashes alone; the key of
-- the file is sealed under the key of the case, and given up with the file.
CREATE TABLE case_delivery (
    delivery bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    token bytea NOT NULL UNIQUE,
    file text NOT NULL UNIQUE,
    sealed bytea,
    size bigint NOT NULL,
    made_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    allowed integer NOT NULL CHECK (allowed > 0),
    fetched integer NOT NULL DEFAULT 0,
    code bytea,
    code_until timestamptz,
    tries integer NOT NULL DEFAULT 0,
    codes integer NOT NULL DEFAULT 0,
    outcome text,
    ended_at timestamptz,
    CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CHECK (outcome IS NULL OR sealed IS NULL)
);
CREATE INDEX ON case_delivery (number);
