-- What went to the person of a case by mail: the answer, the link to her package. Its words wait in
-- the outbox and go with the sending; that it went stays here.
CREATE TABLE case_mail (
    mail bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('answer', 'link')),
    letter text NOT NULL UNIQUE,
    put_at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    outcome text CHECK (outcome IN ('sent', 'given-up')),
    ended_at timestamptz,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
);
CREATE INDEX ON case_mail (number);
-- A report of a child that came in a flood: it waits for a person, and nothing is frozen before.
ALTER TABLE intake ADD COLUMN held_at timestamptz;
-- A disclosure that is past its time names nobody any more: to whom what was given, and when, stays.
ALTER TABLE passed_on ADD COLUMN struck_at timestamptz;
