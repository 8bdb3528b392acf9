-- Views of pages that may be recorded: so much of each as the policy declares, under a keyed hash of
-- the site's own cookie. No address of a machine, no number of a browser of ours.
CREATE TABLE visit_event (
    id bytea PRIMARY KEY,
    at timestamptz NOT NULL,
    site text NOT NULL,
    page text,
    referrer text,
    browser text,
    country text,
    mac bytea,
    region text NOT NULL,
    why text NOT NULL,
    version date NOT NULL,
    batch text NOT NULL
);
CREATE INDEX visit_event_mac ON visit_event (mac) WHERE mac IS NOT NULL;
CREATE INDEX visit_event_at ON visit_event (at);
