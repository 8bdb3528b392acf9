-- By which mail of the outbox she is told that her request has come, until it is known what became
-- of that; and when it was known that no server took it. Of older ones it is not known any more.
ALTER TABLE intake ADD COLUMN letter text, ADD COLUMN untold_at timestamptz;
