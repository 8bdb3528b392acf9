-- Keys. The keys that wrap (KEKs) live outside the database; here stand only their dates.
CREATE TABLE key_epoch (
    epoch integer PRIMARY KEY,
    made_at timestamptz NOT NULL,
    ends_on date NOT NULL,
    current boolean NOT NULL,
    destroyed_at timestamptz
);
CREATE UNIQUE INDEX key_epoch_current ON key_epoch (current) WHERE current;

-- Digests by which a wrong or lost key directory is noticed.
CREATE TABLE key_check (
    name text PRIMARY KEY,
    digest bytea NOT NULL
);

-- One key per subject and retention class. `wrapped` null: shredded. Numbers below zero are
-- keys of Kept's own records (a case, a locator entry), not of a person.
CREATE TABLE subject_key (
    subject bigint NOT NULL,
    class text NOT NULL,
    generation integer NOT NULL,
    epoch integer REFERENCES key_epoch,
    wrapped bytea,
    final boolean NOT NULL DEFAULT false,
    shredded_at timestamptz,
    PRIMARY KEY (subject, class, generation),
    CHECK ((wrapped IS NULL) = (shredded_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (epoch IS NULL))
);
CREATE INDEX subject_key_epoch ON subject_key (epoch) WHERE wrapped IS NOT NULL;

-- People, as dense numbers, and what names them: keyed hashes beside sealed values.
CREATE TABLE subject (
    subject bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at timestamptz NOT NULL
);
CREATE TABLE identity (
    mac bytea NOT NULL,
    subject bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    kind text NOT NULL,
    sealed bytea NOT NULL,
    suppress bytea NOT NULL,
    evidence text NOT NULL,
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (mac, subject)
);
CREATE INDEX identity_subject ON identity (subject);

-- Who acts for the organisation.
CREATE TABLE actor (
    actor integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL,
    first_seen timestamptz NOT NULL,
    UNIQUE (name, role)
);

-- Requests of people.
CREATE TABLE rights_case (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    "right" text NOT NULL,
    state text NOT NULL,
    actor integer NOT NULL REFERENCES actor,
    override text,
    people integer NOT NULL,
    sealed bytea,
    evidence text,
    plan_sha256 text,
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    closed_at timestamptz,
    complete boolean
);
CREATE INDEX rights_case_state ON rights_case (state);
CREATE TABLE case_person (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    person integer NOT NULL,
    kind text NOT NULL,
    mac bytea NOT NULL,
    PRIMARY KEY (number, person, mac)
);
CREATE INDEX case_person_mac ON case_person (mac);
-- Who of them was known when the case was opened; forgotten with the person.
CREATE TABLE case_subject (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    person integer NOT NULL,
    subject bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    PRIMARY KEY (number, person, subject)
);
CREATE INDEX case_subject_subject ON case_subject (subject);
CREATE TABLE case_event (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    turn integer NOT NULL,
    state text NOT NULL,
    actor integer NOT NULL REFERENCES actor,
    words text,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, turn)
);
-- What is sealed before the first write and thrown away after the read-back.
CREATE TABLE case_sealed (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    name text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (number, name)
);
CREATE TABLE case_step (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    step integer NOT NULL,
    system text NOT NULL,
    dataset text NOT NULL,
    action text NOT NULL,
    planned bigint NOT NULL,
    state text NOT NULL,
    found bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    retained bigint NOT NULL DEFAULT 0,
    isolated bigint NOT NULL DEFAULT 0,
    verified boolean NOT NULL DEFAULT false,
    words text,
    law text,
    until date,
    clause text,
    hold text,
    problem text,
    attempts integer NOT NULL DEFAULT 0,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, step)
);

-- Facts about people over two times: since when they hold, since when Kept knows.
-- Rows are added, never changed.
CREATE TABLE fact (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    fact text NOT NULL,
    holds boolean NOT NULL,
    valid_from timestamptz NOT NULL,
    known_from timestamptz NOT NULL,
    source text NOT NULL,
    notice text
);
CREATE INDEX fact_subject ON fact (subject, fact, valid_from DESC, seq DESC);
CREATE TABLE subject_epoch (
    subject bigint PRIMARY KEY REFERENCES subject ON DELETE CASCADE,
    epoch bigint NOT NULL
);
-- The same facts as bits, for audiences; a row whose facts changed is gone until made anew.
CREATE TABLE subject_facts (
    subject bigint PRIMARY KEY REFERENCES subject ON DELETE CASCADE,
    epoch bigint NOT NULL,
    rules text NOT NULL,
    good_until timestamptz,
    word0 bigint NOT NULL, word1 bigint NOT NULL, word2 bigint NOT NULL, word3 bigint NOT NULL,
    word4 bigint NOT NULL, word5 bigint NOT NULL, word6 bigint NOT NULL, word7 bigint NOT NULL
);

-- Why something may not go yet. Null scopes mean all.
CREATE TABLE hold (
    id text PRIMARY KEY,
    subject bigint,
    system text,
    dataset text,
    ground text NOT NULL,
    law text,
    until date,
    clause text NOT NULL,
    actor integer NOT NULL REFERENCES actor,
    placed_at timestamptz NOT NULL,
    released_at timestamptz,
    released_by integer REFERENCES actor,
    why text,
    CHECK (dataset IS NULL OR system IS NOT NULL)
);
CREATE INDEX hold_open ON hold (subject) WHERE released_at IS NULL;

-- Refusals outlive what they protect, as keyed hashes. An empty channel means all.
CREATE TABLE suppression (
    mac bytea NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (mac, channel)
);

-- The one way back to rows that had to stay.
CREATE TABLE locator (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint NOT NULL,
    person integer NOT NULL,
    system text NOT NULL,
    dataset text NOT NULL,
    hold text,
    until date,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL
);
CREATE INDEX locator_case ON locator (number, person);
CREATE TABLE locator_name (
    mac bytea NOT NULL,
    entry bigint NOT NULL REFERENCES locator ON DELETE CASCADE,
    PRIMARY KEY (mac, entry)
);
CREATE INDEX locator_name_entry ON locator_name (entry);
CREATE TABLE retained (
    system text NOT NULL,
    dataset text NOT NULL,
    mac bytea NOT NULL,
    entry bigint NOT NULL REFERENCES locator ON DELETE CASCADE,
    PRIMARY KEY (system, dataset, mac, entry)
);
CREATE INDEX retained_entry ON retained (entry);
