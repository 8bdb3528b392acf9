-- When a package was fetched first: it is then that the person had her answer.
ALTER TABLE case_delivery ADD COLUMN fetched_at timestamptz;
UPDATE case_delivery SET fetched_at = coalesce(ended_at, made_at) WHERE fetched > 0;
