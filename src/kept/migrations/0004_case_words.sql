-- What people write in a case is sealed under the case's own key. SQL has no keys: words from
-- before stand as they are and go with their case.
ALTER TABLE rights_case
    ALTER COLUMN override TYPE bytea USING convert_to(override, 'UTF8'),
    ALTER COLUMN evidence TYPE bytea USING convert_to(evidence, 'UTF8');
ALTER TABLE case_event
    ALTER COLUMN words TYPE bytea USING convert_to(words, 'UTF8');
