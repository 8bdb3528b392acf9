-- A letter that waits to be sent can be replaced by a newer one.
ALTER TABLE case_mail DROP CONSTRAINT case_mail_outcome_check;
ALTER TABLE case_mail ADD CONSTRAINT case_mail_outcome_check
    CHECK (outcome IN ('sent', 'given-up', 'replaced'));
