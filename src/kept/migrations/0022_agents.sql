-- What proves an agent's calls: one token for each, of which only a keyed hash is here.
CREATE TABLE agent_token (
    agent text PRIMARY KEY,
    mac bytea NOT NULL UNIQUE,
    issued_at timestamptz NOT NULL
);
-- Signatures that were met, as hashes, for as long as their message would be good.
CREATE TABLE agent_seen (
    mark bytea PRIMARY KEY,
    until timestamptz NOT NULL
);
CREATE INDEX agent_seen_until ON agent_seen (until);
-- What an agent asked in somebody's name. Who that is stands, sealed, in what was taken in.
CREATE TABLE agent_request (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    agent text NOT NULL,
    exercise text NOT NULL,
    regime text,
    once bytea UNIQUE,
    content bytea NOT NULL,
    sealed bytea,
    link bytea,
    intake bigint REFERENCES intake ON DELETE SET NULL,
    arrived_at timestamptz NOT NULL,
    status text NOT NULL,
    reason text,
    due date,
    changed_at timestamptz NOT NULL,
    ended_at timestamptz,
    callback boolean NOT NULL,
    told text,
    next_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    entry bigint NOT NULL
);
CREATE INDEX agent_request_intake ON agent_request (intake);
CREATE INDEX agent_request_agent ON agent_request (agent, arrived_at);
