-- Until when a request has to be answered, by which rule, and what has moved that day: each
-- change with the day before and after it. What was written to the person lies sealed.
CREATE TABLE case_clock (
    number bigint PRIMARY KEY REFERENCES rights_case ON DELETE CASCADE,
    region text NOT NULL,
    matter text,
    arrived date NOT NULL,
    rule text NOT NULL,
    promise text,
    place text NOT NULL,
    calendar text NOT NULL,
    confirm_by date,
    first_due date NOT NULL,
    due date NOT NULL,
    unpaused date NOT NULL,
    skipped jsonb NOT NULL,
    extended boolean NOT NULL DEFAULT false,
    paused_days integer NOT NULL DEFAULT 0,
    paused_since date,
    paused_for text
);
CREATE TABLE case_clock_change (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    turn integer NOT NULL,
    act text NOT NULL,
    reason text,
    dated date,
    words bytea,
    before_rule text NOT NULL,
    after_rule text NOT NULL,
    before_due date NOT NULL,
    after_due date NOT NULL,
    actor bigint REFERENCES actor,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, turn)
);
-- Nobody is reminded twice of the same, and nothing is extended twice.
CREATE UNIQUE INDEX ON case_clock_change (number, reason, after_due) WHERE act = 'reminded';
CREATE UNIQUE INDEX ON case_clock_change (number) WHERE act = 'extended';
