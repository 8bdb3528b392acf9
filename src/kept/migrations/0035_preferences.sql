-- Mail that leads to the page of choices, or brings a code to it: who asked, as keyed hashes, until
-- it is of no use any more. What was chosen stands with all other choices.
CREATE TABLE preference_mail (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    mac bytea NOT NULL,
    source bytea NOT NULL,
    token bytea UNIQUE,
    code bytea,
    good_until timestamptz,
    tries integer NOT NULL DEFAULT 0,
    wanted text
);
CREATE INDEX preference_mail_at ON preference_mail (at);
-- By a refusal its people are found: from a link that says no more than whose it is.
CREATE INDEX identity_suppress ON identity (suppress);
