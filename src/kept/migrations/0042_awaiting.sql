-- A case waits, open, until whoever had the data has answered or was brought before the officers.
-- Since when nothing is left to do for the person, which her clock counts, is a moment of its own.
ALTER TABLE rights_case ADD COLUMN done_at timestamptz;
UPDATE rights_case SET done_at = closed_at WHERE closed_at IS NOT NULL;
DROP INDEX rights_case_open;
DROP INDEX rights_case_closed;
CREATE INDEX rights_case_open ON rights_case ("right", state, number) WHERE done_at IS NULL;
CREATE INDEX rights_case_done ON rights_case (done_at) WHERE done_at IS NOT NULL;
ALTER TABLE case_recipient ADD COLUMN escalated_at timestamptz;
