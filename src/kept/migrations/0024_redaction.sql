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
