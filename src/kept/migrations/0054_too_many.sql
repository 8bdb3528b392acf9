-- From how many people, and records, on an hour was too much when somebody was opened: what is
-- changed in kept.toml afterwards says nothing of the hours before. Of older ones it is not known.
ALTER TABLE desk_opening ADD COLUMN most_people bigint, ADD COLUMN most_records bigint;
