-- The entries of one case, for its page and its letter: without this each of them read all entries
-- of a kind. The canonical bytes are ASCII, so that the escaped text is what they say.
CREATE INDEX ledger_entry_case ON ledger_entry
    ((substring(encode(leaf, 'escape') FROM '"case":"([^"]*)"')), kind, index)
    WHERE kind < 1000
    AND substring(encode(leaf, 'escape') FROM '"case":"([^"]*)"') IS NOT NULL;

-- What an agent asked was looked up from this entry of the ledger on; by its case it is found at once.
ALTER TABLE agent_request DROP COLUMN entry;
