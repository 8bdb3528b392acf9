-- Who had data of the people of a case and is told what became of it (GDPR Art. 19). What is
-- told lies sealed here until it is written down as a task; then it stands in the task alone.
CREATE TABLE case_recipient (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    recipient text NOT NULL,
    notice text NOT NULL,
    sealed bytea,
    outcome text,
    noted_at timestamptz NOT NULL,
    answered_at timestamptz,
    PRIMARY KEY (number, recipient)
);
-- Why she asks for an erasure, as the law lists it (GDPR Art. 17(1)).
ALTER TABLE rights_case ADD COLUMN ground text;
