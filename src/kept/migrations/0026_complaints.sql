-- Complaints about the organisation, by people (DPA 2018 s. 164A) and by authorities. Addresses,
-- sources, tokens and codes are keyed hashes; what was said is sealed. Before it is known whose the
-- address is, it leads to no case and shadows none.
CREATE TABLE complaint (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    channel text NOT NULL,
    by_whom text NOT NULL,
    region text NOT NULL,
    arrived date NOT NULL,
    arrived_at timestamptz NOT NULL,
    rule text NOT NULL,
    confirm_by date NOT NULL,
    due date,
    mac bytea,
    source bytea,
    token bytea UNIQUE,
    once bytea UNIQUE,
    code bytea,
    code_until timestamptz,
    codes integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    verified_at timestamptz,
    case_number bigint REFERENCES rights_case,
    actor bigint REFERENCES actor,
    ended_at timestamptz,
    outcome text,
    sealed bytea
);
CREATE INDEX complaint_arrived ON complaint (arrived_at);
CREATE INDEX complaint_mac ON complaint (mac) WHERE mac IS NOT NULL;
CREATE INDEX complaint_case_number ON complaint (case_number) WHERE case_number IS NOT NULL;
CREATE INDEX complaint_actor ON complaint (actor);
-- What was done about it: each act a line of its own that stays.
CREATE TABLE complaint_act (
    number bigint NOT NULL REFERENCES complaint ON DELETE CASCADE,
    turn integer NOT NULL,
    act text NOT NULL,
    what text,
    way text,
    sealed bytea,
    done_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    PRIMARY KEY (number, turn)
);
CREATE INDEX complaint_act_actor ON complaint_act (actor);
-- Whom mail reminded of what: once each. `about` is a case, a task or a complaint, by its id; `whom`
-- an account, by its id, or the organisation.
CREATE TABLE reminder (
    about text NOT NULL,
    reason text NOT NULL,
    whom text NOT NULL,
    letter text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (about, reason, whom)
);
CREATE INDEX reminder_at ON reminder (at);
-- Where somebody of the staff is reminded, sealed under the key of the account.
ALTER TABLE account ADD COLUMN mail bytea;
-- Systems that do not answer, and since when; a system that answers again has no row.
CREATE TABLE system_away (
    system text PRIMARY KEY,
    since timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    problem text NOT NULL
);
