-- What people decided to leave out of a package because it concerns others (GDPR Art. 15(4)), and
-- who did what about it. The words themselves are sealed, and gone when the case has ended.
CREATE TABLE case_redaction (
    number bigint PRIMARY KEY REFERENCES rights_case ON DELETE CASCADE,
    revision integer NOT NULL,
    state text NOT NULL,
    texts bigint NOT NULL,
    struck bigint NOT NULL,
    spared bigint NOT NULL,
    left_over bigint NOT NULL DEFAULT 0,
    mark text,
    sealed bytea,
    changed_at timestamptz NOT NULL
);
CREATE TABLE case_redaction_act (
    number bigint NOT NULL REFERENCES case_redaction ON DELETE CASCADE,
    turn integer NOT NULL,
    act text NOT NULL,
    revision integer NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    words bytea,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, turn)
);
-- To whom data of a person was passed on, one line for each time. Whose it was stands beside it as
-- keyed hashes; `barred_until` is the first day on which she may be told, where a law forbids it.
CREATE TABLE passed_on (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    recipient text NOT NULL,
    title text,
    passed_on date NOT NULL,
    categories text[] NOT NULL,
    ground text NOT NULL,
    barred_until date,
    barred_by text,
    actor bigint NOT NULL REFERENCES actor,
    noted_at timestamptz NOT NULL,
    CHECK ((barred_until IS NULL) = (barred_by IS NULL))
);
CREATE TABLE passed_person (
    number bigint NOT NULL REFERENCES passed_on ON DELETE CASCADE,
    mac bytea NOT NULL,
    PRIMARY KEY (number, mac)
);
CREATE INDEX passed_person_mac ON passed_person (mac);
-- What of a request is refused while the rest is granted: a place, the reason of the law, and words
-- for the person, sealed. An empty dataset means the whole system.
CREATE TABLE case_part (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    system text NOT NULL,
    dataset text NOT NULL,
    code text NOT NULL,
    words bytea NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, system, dataset)
);
