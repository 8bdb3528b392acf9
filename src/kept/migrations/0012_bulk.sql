-- A run over a list of people: each line a person, each person in a case, how it ended for her.
-- Whom a line names is sealed in her case alone.
CREATE TABLE bulk (
    bulk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    "right" text NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    people integer NOT NULL,
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE TABLE bulk_person (
    bulk bigint NOT NULL REFERENCES bulk ON DELETE CASCADE,
    line integer NOT NULL,
    number bigint NOT NULL REFERENCES rights_case,
    person integer NOT NULL,
    outcome text NOT NULL,
    why text,
    found integer NOT NULL DEFAULT 0,
    changed integer NOT NULL DEFAULT 0,
    retained integer NOT NULL DEFAULT 0,
    isolated integer NOT NULL DEFAULT 0,
    at timestamptz NOT NULL,
    PRIMARY KEY (bulk, line)
);
CREATE INDEX ON bulk_person (number, person);
