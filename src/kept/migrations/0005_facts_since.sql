-- From when on the bits of a person are right. They are made again when they are asked for.
DELETE FROM subject_facts;
ALTER TABLE subject_facts ADD COLUMN good_from timestamptz NOT NULL;
