-- What was said of each layer beneath the rows when a case was looked at last: a closed word,
-- counts and technical names, nothing of a person.
CREATE TABLE case_residue (
    number bigint NOT NULL REFERENCES rights_case,
    system text NOT NULL,
    layer text NOT NULL,
    fate text NOT NULL,
    words text NOT NULL,
    until date,
    looked bigint NOT NULL,
    found integer NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, system, layer)
);
