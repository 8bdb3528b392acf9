-- What somebody asks before it is known who asks. No case, no subject: a row that leaves by itself.
-- Addresses, sources, tokens and codes are keyed hashes; what was said is sealed.
CREATE TABLE intake (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    channel text NOT NULL,
    state text NOT NULL,
    asked text NOT NULL,
    region text NOT NULL,
    arrived date NOT NULL,
    arrived_at timestamptz NOT NULL,
    mac bytea,
    source bytea,
    token bytea UNIQUE,
    once bytea UNIQUE,
    sealed bytea,
    reach bytea,
    expires_at timestamptz,
    verified_at timestamptz,
    frozen_at timestamptz,
    ended_at timestamptz,
    outcome text,
    actor bigint REFERENCES actor,
    case_number bigint REFERENCES rights_case
);
CREATE INDEX intake_arrived ON intake (arrived_at);
CREATE INDEX intake_case_number ON intake (case_number);
CREATE INDEX intake_actor ON intake (actor);
-- One code for each address that has to confirm; `token` where its owner has a page of her own.
CREATE TABLE intake_code (
    number bigint NOT NULL REFERENCES intake ON DELETE CASCADE,
    party text NOT NULL,
    mac bytea NOT NULL,
    token bytea UNIQUE,
    code bytea,
    good_until timestamptz,
    sent integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    verified_at timestamptz,
    PRIMARY KEY (number, party)
);
-- The cases that were opened on it, once it was known who asks or somebody entered it.
CREATE TABLE intake_case (
    number bigint NOT NULL REFERENCES intake ON DELETE CASCADE,
    case_number bigint NOT NULL REFERENCES rights_case,
    asked text NOT NULL,
    PRIMARY KEY (number, case_number)
);
CREATE INDEX intake_case_case_number ON intake_case (case_number);
-- Mail to people, sealed until it went; then only that it did.
CREATE TABLE outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    sealed bytea,
    queued_at timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    outcome text
);
CREATE INDEX outbox_waiting ON outbox (next_at) WHERE outcome IS NULL;
