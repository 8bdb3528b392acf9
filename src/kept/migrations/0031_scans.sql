-- What a browser met on the pages of the site, as the visitors that it played: of nobody.
CREATE TABLE scan (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site text NOT NULL,
    at timestamptz NOT NULL,
    rules text NOT NULL,
    whole boolean NOT NULL,
    document jsonb NOT NULL
);
-- Lists of others, as they were imported: they suggest who something is, and allow nothing.
CREATE TABLE known_list (
    source text PRIMARY KEY,
    kind text NOT NULL,
    dated date NOT NULL,
    licence text NOT NULL,
    sha256 text NOT NULL,
    at timestamptz NOT NULL,
    passed_over bigint NOT NULL
);
CREATE TABLE known_name (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL REFERENCES known_list ON DELETE CASCADE,
    kind text NOT NULL,
    name text NOT NULL,
    prefix boolean NOT NULL,
    domain text NOT NULL,
    provider text NOT NULL,
    likely text NOT NULL,
    days integer
);
CREATE INDEX known_name_by_name ON known_name (kind, name text_pattern_ops);
