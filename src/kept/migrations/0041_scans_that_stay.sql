-- A scan that is a copy of an identity paper goes at the end, whatever is held.
ALTER TABLE intake_scan ADD COLUMN identity boolean NOT NULL DEFAULT false;
