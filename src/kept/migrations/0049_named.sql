-- Whether the package of a case shows what others wrote that names her, beside the rows that are hers.
ALTER TABLE rights_case ADD COLUMN named boolean NOT NULL DEFAULT false;

-- Of before the ledger says it; a letter alone counted there, so they are looked at once more.
WITH said AS (
    SELECT DISTINCT ON (l -> 'body' ->> 'case') l -> 'body' ->> 'case' AS id,
        coalesce(jsonb_array_length(l -> 'body' -> 'named_in'), 0) > 0 AS named
    FROM (SELECT index, convert_from(leaf, 'UTF8')::jsonb AS l
          FROM ledger_entry WHERE kind = 15) e
    ORDER BY l -> 'body' ->> 'case', index DESC
)
UPDATE rights_case r SET named = true FROM said
    WHERE said.id = r.id AND said.named AND r."right" = 'access';

UPDATE case_clock k SET untold = true FROM rights_case r
    WHERE r.number = k.number AND r.named AND r.done_at IS NOT NULL AND r.state = 'closed';
