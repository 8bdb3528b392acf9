-- What people were shown on forms: each text once, under its hash.
CREATE TABLE notice_text (
    notice text PRIMARY KEY,
    policy text NOT NULL,
    version text NOT NULL,
    form text NOT NULL,
    region text NOT NULL,
    language text NOT NULL,
    shown jsonb NOT NULL,
    kept_at timestamptz NOT NULL
);
CREATE INDEX ON notice_text (policy, version, form);
-- What a form that is sent twice sends twice, as a keyed hash; it leaves after a day.
CREATE TABLE form_once (
    once bytea PRIMARY KEY,
    at timestamptz NOT NULL
);
CREATE INDEX ON form_once (at);
-- How often nothing was taken, and why: counters, of nobody.
CREATE TABLE form_refused (
    day date NOT NULL,
    form text NOT NULL,
    why text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (day, form, why)
);
-- What waits for a person to decide because it may be a child's: sealed, and it leaves by itself.
CREATE TABLE quarantine (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    form text NOT NULL,
    region text NOT NULL,
    notice text NOT NULL,
    arrived_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    sealed bytea,
    outcome text,
    decided_at timestamptz,
    actor bigint REFERENCES actor
);
CREATE INDEX ON quarantine (expires_at) WHERE sealed IS NOT NULL;
