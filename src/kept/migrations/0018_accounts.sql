-- Who of the staff may use the desk, and how each proves it. Of a password its argon2id hash is
-- here, of a session's token and of a recovery code a hash too; the secret of the second proof
-- is sealed under a key of the account's own.
CREATE TABLE account (
    account bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    shown text NOT NULL,
    password text NOT NULL,
    changes boolean NOT NULL,
    good_until timestamptz,
    totp bytea,
    totp_next bytea,
    totp_step bigint,
    made_at timestamptz NOT NULL,
    last_seen timestamptz,
    disabled_at timestamptz
);
-- Each grant of a role is a line of its own and stays: who gave it, when, until when, why.
CREATE TABLE account_role (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES account,
    role text NOT NULL,
    granted_at timestamptz NOT NULL,
    granted_by bigint REFERENCES account,
    why bytea NOT NULL,
    until timestamptz,
    revoked_at timestamptz,
    revoked_by bigint REFERENCES account,
    reviewed_at timestamptz,
    reviewed_by bigint REFERENCES account
);
CREATE INDEX account_role_account ON account_role (account);
CREATE TABLE account_code (
    account bigint NOT NULL REFERENCES account,
    mac bytea NOT NULL,
    PRIMARY KEY (account, mac)
);
CREATE TABLE account_session (
    token bytea PRIMARY KEY,
    account bigint NOT NULL REFERENCES account,
    proven boolean NOT NULL,
    begun_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);
CREATE INDEX account_session_account ON account_session (account);
-- Tries that failed, by keyed hashes of the name that was given and of whence it came. A name
-- that nobody has is counted like any other.
CREATE TABLE account_attempt (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name bytea NOT NULL,
    source bytea NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX account_attempt_name ON account_attempt (name, at);
CREATE INDEX account_attempt_source ON account_attempt (source, at);
-- Whom staff opened: a keyed hash for each person or case, so that many can be told from few.
CREATE TABLE desk_opening (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor bigint NOT NULL REFERENCES actor,
    what bytea NOT NULL,
    records bigint NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX desk_opening_at ON desk_opening (at);
CREATE TABLE desk_alert (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor bigint NOT NULL REFERENCES actor,
    people bigint NOT NULL,
    records bigint NOT NULL,
    at timestamptz NOT NULL,
    seen_at timestamptz,
    seen_by bigint REFERENCES account
);
