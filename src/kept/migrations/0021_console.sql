-- What the console needs beside the cases: which of them wait, whose they are, notes of the staff,
-- and which are being carried out. Lists of 100,000 cases are read by index alone.
ALTER TABLE case_clock ADD COLUMN waiting boolean NOT NULL DEFAULT true;
UPDATE case_clock k SET waiting = false FROM rights_case r WHERE r.number = k.number
    AND (r.closed_at IS NOT NULL
         OR (r."right" = 'restriction' AND r.state IN ('checked', 'notified')));
CREATE INDEX case_clock_waiting ON case_clock (due, number) WHERE waiting;
CREATE INDEX rights_case_open ON rights_case ("right", state, number) WHERE closed_at IS NULL;
CREATE INDEX rights_case_closed ON rights_case (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX intake_waiting ON intake (number) WHERE state IN ('verified', 'entered');
-- Whose task a case is.
CREATE TABLE case_owner (
    number bigint PRIMARY KEY REFERENCES rights_case ON DELETE CASCADE,
    account bigint NOT NULL REFERENCES account,
    since timestamptz NOT NULL
);
CREATE INDEX case_owner_account ON case_owner (account, number);
-- What the staff write to each other about a case, sealed under its key.
CREATE TABLE case_note (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    turn integer NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    words bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, turn)
);
-- That a case is being carried out from the console, and how that ended. One row a case: whoever
-- presses twice, or at the same moment as somebody else, finds it there.
CREATE TABLE case_run (
    number bigint PRIMARY KEY REFERENCES rights_case ON DELETE CASCADE,
    actor bigint NOT NULL REFERENCES actor,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    problem text
);
