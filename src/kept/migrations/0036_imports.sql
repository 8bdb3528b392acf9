-- Lists of people that were brought in: a row for each file, with how far it is and counts.
CREATE TABLE import_run (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    import text NOT NULL,
    -- A keyed hash of the file: the same one again is known.
    content bytea NOT NULL,
    source text NOT NULL,
    agreement text,
    given date NOT NULL,
    lines bigint NOT NULL,
    -- The last line that is through, and the last of the batch that was begun after it.
    through bigint NOT NULL,
    under_way bigint,
    counts jsonb NOT NULL,
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    UNIQUE (import, content)
);
