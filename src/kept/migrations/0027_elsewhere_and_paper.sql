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
-- Letters on paper: each as it was made, sealed under the key of its case, and the day on which
-- somebody says that it went out.
CREATE TABLE case_letter (
    letter bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    kind text NOT NULL,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    actor bigint NOT NULL REFERENCES actor,
    posted_on date,
    posted_at timestamptz,
    CHECK ((posted_on IS NULL) = (posted_at IS NULL))
);
CREATE INDEX ON case_letter (number);
-- A package that waits for the staff who made it, where no person has a link to it.
ALTER TABLE case_delivery ADD COLUMN desk boolean NOT NULL DEFAULT false;
