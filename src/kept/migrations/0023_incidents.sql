-- Incidents (GDPR Art. 33(5)): what happened, when it was noticed, until when the authority hears of
-- it. What people wrote of it is sealed; whom it hit is counted, never listed here.
CREATE TABLE incident (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    kinds text NOT NULL,
    places jsonb NOT NULL,
    happened_at timestamptz,
    noticed_at timestamptz NOT NULL,
    entered_at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    rule text NOT NULL,
    due timestamptz NOT NULL,
    sealed bytea
);
-- What was done about it: each act a line of its own that stays.
CREATE TABLE incident_act (
    number bigint NOT NULL REFERENCES incident ON DELETE CASCADE,
    turn integer NOT NULL,
    act text NOT NULL,
    what text,
    way text,
    people bigint,
    sealed bytea,
    done_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    PRIMARY KEY (number, turn)
);
