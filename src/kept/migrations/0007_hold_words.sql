-- Why something is held, and is no more, is sealed under the hold's own key. SQL has no keys:
-- words from before become bytes here, and are sealed when the holds are next opened.
ALTER TABLE hold
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ALTER COLUMN ground TYPE bytea USING convert_to(ground, 'UTF8'),
    ALTER COLUMN why TYPE bytea USING convert_to(why, 'UTF8');
-- The steps of a case name the hold; its words are read from there.
UPDATE case_step SET words = NULL WHERE hold IS NOT NULL;
