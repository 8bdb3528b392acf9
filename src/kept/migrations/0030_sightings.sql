-- What browsers refused to load, and cookies that nobody declared: a host or a name, what it was
-- for and on which kind of page. Nothing of who met it.
CREATE TABLE sighting (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    directive text NOT NULL,
    page text NOT NULL,
    count bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    UNIQUE (kind, name, directive, page)
);
-- What somebody decided about a name that stands on no list.
CREATE TABLE sighting_verdict (
    kind text NOT NULL,
    name text NOT NULL,
    verdict text NOT NULL,
    at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    PRIMARY KEY (kind, name)
);
