-- Which account is meant by the word that a provider of logins has for somebody: a keyed hash of
-- provider and word. One account has one, and one word leads to one account.
CREATE TABLE account_link (
    account bigint PRIMARY KEY REFERENCES account,
    who bytea NOT NULL UNIQUE,
    linked_at timestamptz NOT NULL,
    linked_by bigint REFERENCES account
);
-- Logins from elsewhere that were taken: none is taken twice.
CREATE TABLE account_link_used (
    state bytea PRIMARY KEY,
    at timestamptz NOT NULL
);
