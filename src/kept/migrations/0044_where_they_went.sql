-- To which addresses she was sent since the recipient last confirmed her, as keyed hashes; NULL: it
-- is not on record. That there is nothing of her is believed at the one to which she went.
ALTER TABLE release_member ADD COLUMN sent_to bytea[];
