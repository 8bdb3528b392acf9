-- The first page of the desk counts what waits for somebody to decide.
CREATE INDEX identity_doubt_waits ON identity_doubt (met_at) WHERE outcome IS NULL;
