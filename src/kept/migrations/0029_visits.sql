-- Choices of visitors, by browser: no person, no address, no number of a browser. What was shown
-- stands once for all who saw it; signals are counted, never listed.
CREATE TABLE visit_notice (
    sha256 text PRIMARY KEY,
    language text NOT NULL,
    version date NOT NULL,
    edition text NOT NULL,
    words text NOT NULL,
    first_at timestamptz NOT NULL
);
CREATE TABLE visit_choice (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    act text NOT NULL,
    place text NOT NULL,
    region text NOT NULL,
    gpc boolean NOT NULL,
    dnt boolean NOT NULL,
    notice text NOT NULL REFERENCES visit_notice,
    edition text NOT NULL,
    aims jsonb NOT NULL,
    trackers jsonb NOT NULL,
    record text NOT NULL,
    signature text NOT NULL
);
CREATE INDEX visit_choice_at ON visit_choice (at);
CREATE TABLE visit_signal (
    day date NOT NULL,
    region text NOT NULL,
    signal text NOT NULL,
    seen bigint NOT NULL,
    PRIMARY KEY (day, region, signal)
);
-- How the links of the policy stood when somebody last looked: only where the operator said so.
CREATE TABLE outbound_look (
    link text NOT NULL,
    url text NOT NULL,
    at timestamptz NOT NULL,
    outcome text NOT NULL,
    status integer,
    PRIMARY KEY (link, at)
);
