-- Whether a part or the whole of an objection was not followed: it was weighed and goes on, or rests on
-- grounds to which nobody can object. An agent was told that it was carried out.
ALTER TABLE rights_case ADD COLUMN unmet text CHECK (unmet IN ('part', 'whole'));

WITH said AS (
    SELECT l -> 'body' ->> 'case' AS id, kind, l -> 'body' ->> 'purpose' AS purpose
    FROM (SELECT kind, convert_from(leaf, 'UTF8')::jsonb AS l
          FROM ledger_entry WHERE kind IN (32, 33)) e
), stands AS (
    SELECT id, purpose FROM said WHERE kind = 32
    EXCEPT SELECT id, purpose FROM said WHERE kind = 33
)
UPDATE rights_case r SET unmet = CASE WHEN EXISTS (SELECT FROM stands s WHERE s.id = r.id)
        THEN 'part' ELSE 'whole' END
    WHERE r."right" = 'objection' AND r.state = 'closed'
    AND (EXISTS (SELECT FROM said s WHERE s.id = r.id AND s.kind = 33)
        OR NOT EXISTS (SELECT FROM said s WHERE s.id = r.id));

UPDATE case_clock k SET untold = true FROM rights_case r
    WHERE r.number = k.number AND r.unmet IS NOT NULL;
