-- What runs by itself: when each job ran last and how it ended. Of no person.
CREATE TABLE job (
    job text PRIMARY KEY,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    failures integer NOT NULL DEFAULT 0
);
