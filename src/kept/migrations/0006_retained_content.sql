-- What a retained row said when it was retained, as a keyed hash of these of its fields: a key
-- that names another row by now hides and discloses nothing.
ALTER TABLE locator ADD COLUMN fields text[];
ALTER TABLE retained ADD COLUMN content bytea;
