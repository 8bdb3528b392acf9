-- What waits to be decided, and of which the case has forgotten whom it may be: nobody could decide it.
DELETE FROM identity_doubt d USING subject_key k
    WHERE d.outcome IS NULL AND k.subject = -d.number AND k.class = 'case' AND k.wrapped IS NULL;

-- The first page of the desk counts what waits for somebody to decide.
CREATE INDEX identity_doubt_waits ON identity_doubt (met_at) WHERE outcome IS NULL;
